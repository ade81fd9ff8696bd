// The only place that configures and includes the Node-API wrapper.
#pragma once

#define NAPI_CPP_EXCEPTIONS
#define NODE_ADDON_API_ENABLE_MAYBE_OFF
#include <napi.h>
