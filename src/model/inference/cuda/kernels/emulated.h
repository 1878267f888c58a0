// The machine of device.cuh as plain C++: each thread of a block is a fibre, and the fibres of a warp meet at every
// instruction that a warp executes together. It is for tests on machines without a GPU; nothing here is fast.
//
// Copies to shared memory arrive only when they are waited for, and their destination is overwritten with invalid data
// at once, so that a read at the wrong time is detected. Every other block runs its threads in reverse order.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <ucontext.h>
#include <vector>

#define DEVICE inline
#define KERNEL(threads) static void
#define SHARED_MEMORY(name) unsigned char *name = emulated::shared
#define UNROLL
#define UNROLL_TWICE

struct Index {
    unsigned x, y;
};
static Index threadIdx, blockIdx, blockDim, gridDim;

namespace emulated {
constexpr int LANES = 32;
constexpr size_t STACK = 256 * 1024;

struct Copy {
    void *to;
    const void *from;
};
struct Fibre {
    ucontext_t context;
    std::vector<char> stack;
    bool done = true;
    std::vector<std::vector<Copy>> groups;
    std::vector<Copy> open;
};
// A barrier at which threads wait for each other; the last one acts for all.
struct Meeting {
    unsigned arrived = 0, round = 0;
};
struct Warp {
    Meeting meeting;
    void *lanes[LANES];
};

static unsigned char *shared;
static std::vector<Fibre> fibres;
static std::vector<Warp> warps;
static Meeting block;
static ucontext_t scheduler;
static std::function<void()> body;

inline Fibre &self() { return fibres[threadIdx.x]; }

inline void pause() {
    const Index me = threadIdx;
    swapcontext(&self().context, &scheduler);
    threadIdx = me;
}

template <class Act>
void meet(Meeting &meeting, unsigned expected, Act act) {
    const unsigned round = meeting.round;
    if (++meeting.arrived == expected) {
        act();
        meeting.arrived = 0;
        meeting.round++;
    }
    while (meeting.round == round) pause();
}

// Lets the lanes of a warp meet, each with its own value.
template <class T, class Act>
void together(T &own, Act act) {
    Warp &warp = warps[threadIdx.x / LANES];
    warp.lanes[threadIdx.x % LANES] = &own;
    meet(warp.meeting, LANES, [&] { act(reinterpret_cast<T **>(warp.lanes)); });
}

static void start() {
    body();
    self().done = true;
    swapcontext(&self().context, &scheduler);
}

// Runs every block of a launch; returns false on a deadlock.
inline bool run(Index grid, unsigned threads, unsigned shared_bytes, std::function<void()> kernel) {
    std::vector<unsigned char> memory(shared_bytes + 128);
    shared = memory.data() + (128 - reinterpret_cast<uintptr_t>(memory.data()) % 128) % 128;
    if (fibres.size() < threads) fibres.resize(threads);
    body = kernel;
    gridDim = grid;
    blockDim = {threads, 1};
    for (unsigned y = 0; y < grid.y; y++) for (unsigned x = 0; x < grid.x; x++) {
        blockIdx = {x, y};
        memset(memory.data(), 0xff, memory.size());
        warps.assign((threads + LANES - 1) / LANES, Warp());
        block = Meeting();
        for (unsigned i = 0; i < threads; i++) {
            Fibre &fibre = fibres[i];
            fibre.stack.resize(STACK);
            fibre.done = false;
            fibre.groups.clear();
            fibre.open.clear();
            getcontext(&fibre.context);
            fibre.context.uc_stack.ss_sp = fibre.stack.data();
            fibre.context.uc_stack.ss_size = STACK;
            fibre.context.uc_link = nullptr;
            makecontext(&fibre.context, start, 0);
        }
        bool reverse = (x + y) % 2, running = true;
        for (uint64_t turn = 0; running; turn++) {
            if (turn > 100u * 1000 * 1000) return false;
            running = false;
            for (unsigned i = 0; i < threads; i++) {
                threadIdx = {reverse ? threads - 1 - i : i, 0};
                if (self().done) continue;
                running = true;
                swapcontext(&scheduler, &self().context);
            }
        }
    }
    return true;
}

// Conversions between f32 and f16 or bf16, rounded to nearest with ties to even.
inline float from_bf16(unsigned short x) {
    unsigned word = static_cast<unsigned>(x) << 16;
    float y;
    memcpy(&y, &word, 4);
    return y;
}
inline unsigned short to_bf16(float x) {
    if (std::isnan(x)) return 0x7fff;
    unsigned word;
    memcpy(&word, &x, 4);
    return static_cast<unsigned short>((word + 0x7fff + (word >> 16 & 1)) >> 16);
}
inline float from_f16(unsigned short x) {
    const int exponent = x >> 10 & 31, mantissa = x & 1023;
    float y = exponent == 0    ? std::ldexp(static_cast<float>(mantissa), -24)
              : exponent == 31 ? (mantissa ? NAN : INFINITY)
                               : std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
    return x >> 15 ? -y : y;
}
inline unsigned short to_f16(float x) {
    const unsigned short sign = std::signbit(x) ? 0x8000 : 0;
    if (std::isnan(x)) return 0x7fff;
    const float size = std::fabs(x);
    if (size >= 65520.0f) return sign | 0x7c00;
    int exponent = size > 0.0f ? std::max(std::ilogb(size), -14) : -14;
    // Whole units of the last place; an overflow carries into the exponent, which is correct.
    const int units = static_cast<int>(std::nearbyint(std::ldexp(size, 10 - exponent)));
    return static_cast<unsigned short>(sign | ((exponent + 14) * 1024 + units));
}
} // namespace emulated

DEVICE unsigned bits(float x) {
    unsigned y;
    memcpy(&y, &x, 4);
    return y;
}
DEVICE float real(unsigned x) {
    float y;
    memcpy(&y, &x, 4);
    return y;
}
DEVICE void barrier() { emulated::meet(emulated::block, blockDim.x, [] {}); }

struct Exchange {
    float given, taken;
    int mask;
};
DEVICE float from_lane(float x, int xor_mask) {
    Exchange own = {x, 0.0f, xor_mask};
    emulated::together(own, [](Exchange **all) {
        for (int i = 0; i < emulated::LANES; i++) all[i]->taken = all[i ^ all[i]->mask]->given;
    });
    return own.taken;
}

DEVICE float exp2_fast(float x) { return std::exp2(x); }
DEVICE float reciprocal(float x) { return 1.0f / x; }
DEVICE float reciprocal_root(float x) { return 1.0f / std::sqrt(x); }
DEVICE float round_tf32(float x) { return std::isfinite(x) ? real((bits(x) + 0x1000u) & 0xffffe000u) : x; }
DEVICE float half_to_float(unsigned short x) { return emulated::from_f16(x); }
DEVICE unsigned pack(float low, float high) {
#if PRECISION == 2
    return emulated::to_f16(low) | static_cast<unsigned>(emulated::to_f16(high)) << 16;
#else
    return emulated::to_bf16(low) | static_cast<unsigned>(emulated::to_bf16(high)) << 16;
#endif
}

DEVICE void copy_16(void *to, const void *from) {
    memset(to, 0xff, 16);
    emulated::self().open.push_back({to, from});
}
DEVICE void copies_commit() {
    emulated::self().groups.push_back(emulated::self().open);
    emulated::self().open.clear();
}
template <int N> DEVICE void copies_wait() {
    auto &groups = emulated::self().groups;
    for (size_t i = 0; i + N < groups.size(); i++) {
        for (const emulated::Copy &copy : groups[i]) memcpy(copy.to, copy.from, 16);
        groups[i].clear();
    }
}

struct Matrices {
    unsigned *r;
    const unsigned char *row;
};
DEVICE void load_matrices(unsigned (&r)[4], const void *row) {
    Matrices own = {r, static_cast<const unsigned char *>(row)};
    emulated::together(own, [](Matrices **all) {
        for (int lane = 0; lane < emulated::LANES; lane++) for (int i = 0; i < 4; i++) {
            memcpy(all[lane]->r + i, all[8 * i + lane / 4]->row + 4 * (lane % 4), 4);
        }
    });
}

struct Multiplied {
    float *c;
    const unsigned *a, *b;
};
// Returns number `half` of a word, as the tensor cores see it; a word holds two 16-bit numbers or one 32-bit number.
DEVICE float number_of(unsigned word, int half) {
#if PRECISION == 3
    return emulated::from_bf16(static_cast<unsigned short>(word >> 16 * half));
#elif PRECISION == 2
    return emulated::from_f16(static_cast<unsigned short>(word >> 16 * half));
#else
    return half ? 0.0f : real(word & 0xffffe000u);
#endif
}
DEVICE void multiply_words(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    Multiplied own = {c, a, b};
    emulated::together(own, [](Multiplied **all) {
        constexpr int HALVES = PRECISION >= 2 ? 2 : 1;
        float rows[16][16], columns[8][16];
        for (int lane = 0; lane < emulated::LANES; lane++) for (int i = 0; i < 4; i++) for (int h = 0; h < HALVES; h++) {
            const int k = (lane % 4 + 4 * (i / 2)) * HALVES + h;
            rows[lane / 4 + 8 * (i % 2)][k] = number_of(all[lane]->a[i], h);
            if (i < 2) columns[lane / 4][(lane % 4 + 4 * i) * HALVES + h] = number_of(all[lane]->b[i], h);
        }
        for (int lane = 0; lane < emulated::LANES; lane++) for (int i = 0; i < 4; i++) {
            const float *row = rows[lane / 4 + 8 * (i / 2)], *column = columns[2 * (lane % 4) + i % 2];
            float sum = 0.0f;
            for (int k = 0; k < 8 * HALVES; k++) sum += row[k] * column[k];
            all[lane]->c[i] += sum;
        }
    });
}
