#include "rpc.h"

#include <cstring>
#include <set>
#include <stdexcept>

namespace {

std::set<std::string> & added() {
    static std::set<std::string> & one = *new std::set<std::string>; // jobs may outlive the statics of a process
    return one;
}

} // namespace

void add_rpc_server(const std::string & endpoint) {
    if (added().count(endpoint) > 0) {
        return; // the registry would list its devices again
    }
    const ggml_backend_reg_t rpc = ggml_backend_reg_by_name("RPC");
    using Add = ggml_backend_reg_t (*)(const char *);
    const auto add = rpc == nullptr ? nullptr : reinterpret_cast<Add>(ggml_backend_reg_get_proc_address(rpc, "ggml_backend_rpc_add_server"));
    if (add == nullptr) {
        throw std::runtime_error("this build has no RPC backend");
    }
    const ggml_backend_reg_t server = add(endpoint.c_str());
    if (server == nullptr) {
        throw std::runtime_error("the RPC server " + endpoint + " has no device");
    }
    ggml_backend_register(server);
    added().insert(endpoint);
}

const char * rpc_server_of(ggml_backend_dev_t device) {
    const ggml_backend_reg_t backend = ggml_backend_dev_backend_reg(device);
    return std::strcmp(ggml_backend_reg_name(backend), "RPC") == 0 ? ggml_backend_dev_description(device) : nullptr;
}
