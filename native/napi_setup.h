// The only place that configures and includes the Node-API wrapper.
#pragma once

// Every C++ exception in a call from JavaScript becomes an error there; one that left the addon would end the process.
#define NODE_ADDON_API_CPP_EXCEPTIONS_ALL
// While an environment is torn down, a call into JavaScript fails and nothing can be thrown there any more. This is not fatal.
#define NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS
#define NODE_ADDON_API_ENABLE_MAYBE_OFF
#include <napi.h>
