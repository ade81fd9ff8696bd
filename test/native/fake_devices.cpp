// Test doubles of graphics devices: they compute on the processor, in memory of their own that only copies reach. They are linked into an
// addon of the tests (cmake/fake_devices.cmake), and follow two variables of the environment:
//   PRUNE_GGUF_FAKE_DEVICES=64,32        memory of each device in MiB; none without it
//   PRUNE_GGUF_FAKE_OFFLOAD=1            products of 32 rows or more are computed there although their weights lie on the CPU
//   PRUNE_GGUF_FAKE_FAULT=wrong          the last value of every graph is changed
//   PRUNE_GGUF_FAKE_FAULT=block:3        values after block 3 of what is shown are changed, in every graph
//   PRUNE_GGUF_FAKE_FAULT=abort:50:FILE  the process makes FILE and ends in the 50th graph since it was missing
#include "ggml-backend-impl.h"
#include "ggml-cpu.h"
#include "ggml-impl.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct Device {
    std::string name;
    std::string description;
    size_t total = 0;
    size_t used = 0;
    ggml_backend_buffer_type buffer_type = {};
    ggml_backend_device device = {};
};

struct Memory {
    Device * owner;
    std::vector<uint8_t> bytes;
    void * base;
};

constexpr size_t alignment = 64;

const std::string & fault() {
    static const std::string value = std::getenv("PRUNE_GGUF_FAKE_FAULT") ? std::getenv("PRUNE_GGUF_FAKE_FAULT") : "";
    return value;
}

Device & device_of(ggml_backend_dev_t device) {
    return *static_cast<Device *>(device->context);
}

Memory & memory_of(ggml_backend_buffer_t buffer) {
    return *static_cast<Memory *>(buffer->context);
}

const ggml_backend_buffer_i buffer_interface = [] {
    ggml_backend_buffer_i made = {};
    made.free_buffer = [](ggml_backend_buffer_t buffer) {
        memory_of(buffer).owner->used -= buffer->size;
        delete &memory_of(buffer);
    };
    made.get_base = [](ggml_backend_buffer_t buffer) { return memory_of(buffer).base; };
    made.memset_tensor = [](ggml_backend_buffer_t, ggml_tensor * tensor, uint8_t value, size_t offset, size_t size) {
        std::memset(static_cast<uint8_t *>(tensor->data) + offset, value, size);
    };
    made.set_tensor = [](ggml_backend_buffer_t, ggml_tensor * tensor, const void * data, size_t offset, size_t size) {
        std::memcpy(static_cast<uint8_t *>(tensor->data) + offset, data, size);
    };
    made.get_tensor = [](ggml_backend_buffer_t, const ggml_tensor * tensor, void * data, size_t offset, size_t size) {
        std::memcpy(data, static_cast<const uint8_t *>(tensor->data) + offset, size);
    };
    made.clear = [](ggml_backend_buffer_t buffer, uint8_t value) { std::memset(memory_of(buffer).base, value, buffer->size); };
    return made;
}();

ggml_backend_buffer_t allocate(ggml_backend_buffer_type_t type, size_t size) {
    Device & device = device_of(type->device);
    if (device.used + size > device.total) {
        GGML_LOG_ERROR("%s: failed to allocate %zu bytes\n", device.name.c_str(), size);
        return nullptr;
    }
    device.used += size;
    auto * memory = new Memory{ &device, std::vector<uint8_t>(size + alignment), nullptr };
    const auto address = reinterpret_cast<uintptr_t>(memory->bytes.data());
    memory->base = reinterpret_cast<void *>((address + alignment - 1) / alignment * alignment);
    return ggml_backend_buffer_init(type, buffer_interface, memory, size);
}

// "abort:GRAPHS:FILE"
void end_process_if_asked() {
    static int graphs = 0;
    if (fault().rfind("abort:", 0) != 0) {
        return;
    }
    const size_t second = fault().find(':', 6);
    const std::string marker = fault().substr(second + 1);
    if (std::FILE * there = std::fopen(marker.c_str(), "r")) {
        std::fclose(there);
        graphs = 0;
        return;
    }
    if (++graphs != std::atoi(fault().c_str() + 6)) {
        return;
    }
    std::fclose(std::fopen(marker.c_str(), "w"));
    GGML_ABORT("the fake driver ends the process");
}

void change(const ggml_tensor * tensor) {
    if (tensor->type != GGML_TYPE_F32) {
        return;
    }
    auto * values = static_cast<float *>(tensor->data);
    for (int64_t i = 0; i < ggml_nelements(tensor); ++i) {
        values[i] *= 1.0f + 0.2f * std::sin(float(i));
    }
}

ggml_status compute(ggml_backend_t backend, ggml_cgraph * graph) {
    end_process_if_asked();
    auto * processor = static_cast<ggml_backend_t>(backend->context);
    // "block:N": the graph in two parts, with other values between them
    const std::string wrong = fault().rfind("block:", 0) == 0 ? "l_out-" + fault().substr(6) : "";
    int first = 0;
    for (int i = 0; !wrong.empty() && i < ggml_graph_n_nodes(graph); ++i) {
        const ggml_tensor * node = ggml_graph_node(graph, i);
        if (wrong == node->name) {
            ggml_cgraph part = ggml_graph_view(graph, first, i + 1);
            const ggml_status status = ggml_backend_graph_compute(processor, &part);
            if (status != GGML_STATUS_SUCCESS) {
                return status;
            }
            change(node);
            first = i + 1;
        }
    }
    if (first == ggml_graph_n_nodes(graph)) {
        return GGML_STATUS_SUCCESS;
    }
    ggml_cgraph rest = ggml_graph_view(graph, first, ggml_graph_n_nodes(graph));
    const ggml_status status = ggml_backend_graph_compute(processor, first == 0 ? graph : &rest);
    if (fault() == "wrong") {
        change(ggml_graph_node(graph, -1));
    }
    return status;
}

const ggml_backend_i backend_interface = [] {
    ggml_backend_i made = {};
    made.get_name = [](ggml_backend_t backend) { return device_of(backend->device).name.c_str(); };
    made.free = [](ggml_backend_t backend) {
        ggml_backend_free(static_cast<ggml_backend_t>(backend->context));
        delete backend;
    };
    made.graph_compute = compute;
    return made;
}();

ggml_backend_t init_backend(ggml_backend_dev_t device, const char *) {
    static ggml_guid guid = { 'p', 'r', 'u', 'n', 'e', '-', 'g', 'g', 'u', 'f', ' ', 'f', 'a', 'k', 'e' };
    ggml_backend_t processor = ggml_backend_cpu_init();
    ggml_backend_cpu_set_n_threads(processor, 1);
    return new ggml_backend{ &guid, backend_interface, device, processor };
}

const ggml_backend_device_i device_interface = [] {
    ggml_backend_device_i made = {};
    made.get_name = [](ggml_backend_dev_t device) { return device_of(device).name.c_str(); };
    made.get_description = [](ggml_backend_dev_t device) { return device_of(device).description.c_str(); };
    made.get_memory = [](ggml_backend_dev_t device, size_t * free, size_t * total) {
        *total = device_of(device).total;
        *free = device_of(device).total - device_of(device).used;
    };
    made.get_type = [](ggml_backend_dev_t) { return GGML_BACKEND_DEVICE_TYPE_GPU; };
    made.get_props = [](ggml_backend_dev_t device, ggml_backend_dev_props * props) {
        *props = {};
        props->name = device_of(device).name.c_str();
        props->description = device_of(device).description.c_str();
        props->type = GGML_BACKEND_DEVICE_TYPE_GPU;
        ggml_backend_dev_memory(device, &props->memory_free, &props->memory_total);
    };
    made.init_backend = init_backend;
    made.get_buffer_type = [](ggml_backend_dev_t device) { return &device_of(device).buffer_type; };
    made.supports_op = [](ggml_backend_dev_t, const ggml_tensor * op) {
        return ggml_backend_dev_supports_op(ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU), op);
    };
    if (std::getenv("PRUNE_GGUF_FAKE_OFFLOAD") != nullptr) {
        made.offload_op = [](ggml_backend_dev_t, const ggml_tensor * op) { return op->op == GGML_OP_MUL_MAT && op->ne[1] >= 32; };
    }
    made.supports_buft = [](ggml_backend_dev_t device, ggml_backend_buffer_type_t type) { return type == &device_of(device).buffer_type; };
    return made;
}();

const ggml_backend_buffer_type_i buffer_type_interface = [] {
    ggml_backend_buffer_type_i made = {};
    made.get_name = [](ggml_backend_buffer_type_t type) { return device_of(type->device).name.c_str(); };
    made.alloc_buffer = allocate;
    made.get_alignment = [](ggml_backend_buffer_type_t) { return alignment; };
    return made;
}();

std::vector<Device *> & devices() {
    static std::vector<Device *> all;
    return all;
}

ggml_backend_reg & registry() {
    static ggml_backend_reg made = { GGML_BACKEND_API_VERSION, {}, nullptr };
    made.iface.get_name = [](ggml_backend_reg_t) { return "Fake"; };
    made.iface.get_device_count = [](ggml_backend_reg_t) { return devices().size(); };
    made.iface.get_device = [](ggml_backend_reg_t, size_t index) { return &devices().at(index)->device; };
    return made;
}

// When the addon is loaded.
const bool registered = [] {
    const char * sizes = std::getenv("PRUNE_GGUF_FAKE_DEVICES");
    std::istringstream list(sizes == nullptr ? "" : sizes);
    for (std::string size; std::getline(list, size, ',');) {
        auto * made = new Device; // for the life of the process
        made->name = "FAKE" + std::to_string(devices().size());
        made->description = "Fake device " + std::to_string(devices().size());
        made->total = size_t(std::atoll(size.c_str())) << 20;
        made->device = { device_interface, &registry(), made };
        made->buffer_type = { buffer_type_interface, &made->device, nullptr };
        devices().push_back(made);
    }
    if (!devices().empty()) {
        ggml_backend_register(&registry());
    }
    return true;
}();

} // namespace
