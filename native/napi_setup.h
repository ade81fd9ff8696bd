// The only place that configures and includes the Node-API wrapper.
#pragma once

#define NAPI_CPP_EXCEPTIONS
// Where an environment is torn down, a call into JavaScript fails and nothing can be thrown there any more: not fatal.
#define NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS
#define NODE_ADDON_API_ENABLE_MAYBE_OFF
#include <napi.h>
