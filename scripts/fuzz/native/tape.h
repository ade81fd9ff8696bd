// The bytes of an input, read one after another. After their end come zeros, so that any bytes are an input.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

class Tape {
public:
    Tape(const uint8_t * data, size_t size) : data(data), size(size) {}

    bool empty() const { return size == 0; }

    uint8_t byte() {
        if (size == 0) {
            return 0;
        }
        --size;
        return *data++;
    }

    // 0..n-1.
    int below(int n) {
        return n <= 256 ? byte() % n : int((byte() | byte() << 8) % n);
    }

    bool flag() { return (byte() & 1) != 0; }

    // Once in `n` bytes.
    bool rarely(int n) { return byte() % n == n - 1; }

    template <class T> const T & pick(const std::vector<T> & list) { return list[below(int(list.size()))]; }

    std::vector<uint8_t> bytes(size_t n) {
        std::vector<uint8_t> taken(n);
        std::generate(taken.begin(), taken.end(), [this] { return byte(); });
        return taken;
    }

    // Any number of 32 bits.
    int32_t word() {
        int32_t value;
        std::memcpy(&value, bytes(sizeof value).data(), sizeof value);
        return value;
    }

    // The next part, which has its own end: a change in it moves nothing behind it. Its first byte is a quarter of its length.
    Tape part() {
        const size_t n = std::min<size_t>(4 * size_t(byte()), size);
        const Tape cut(data, n);
        data += n;
        size -= n;
        return cut;
    }

private:
    const uint8_t * data;
    size_t size;
};
