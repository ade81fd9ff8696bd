// Devices of other machines, through RPC servers of llama.cpp. They need a build with the RPC backend.
#pragma once

#include "ggml-backend.h"

#include <string>

// Connects to a server (host:port) and lists its devices among those of this process, for good; does nothing for a server that is listed.
// llama.cpp ends the process if no server answers, so ask it first (src/model/runtime/rpc.ts). Not for two threads at once.
// Throws std::runtime_error without the backend, or if the server has no device.
void add_rpc_server(const std::string & endpoint);

// The server (host:port) that a device belongs to; nullptr for devices of this machine.
const char * rpc_server_of(ggml_backend_dev_t device);
