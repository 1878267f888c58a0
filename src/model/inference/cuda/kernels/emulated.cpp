// The kernels as a library for the emulated machine: a kernel is launched by name, with the addresses of its arguments.
#define LAMCAT_EMULATED
#include <algorithm>
#include "all.cu"
#include <string>
#include <utility>

template <class... T, size_t... I>
static void call(void (*kernel)(T...), void **arguments, std::index_sequence<I...>) {
    kernel(*static_cast<T *>(arguments[I])...);
}

template <class... T>
static bool launch(void (*kernel)(T...), Index grid, unsigned threads, unsigned shared, void **arguments, unsigned count) {
    if (count != sizeof...(T)) return false;
    return emulated::run(grid, threads, shared, [=] { call(kernel, arguments, std::index_sequence_for<T...>()); });
}

// Returns 0 if the launch succeeded; 1 if there is no such kernel, it has another number of arguments, or it never
// ends.
extern "C" int lamcat_launch(const char *name, unsigned grid_x, unsigned grid_y, unsigned threads, unsigned shared,
                             void **arguments, unsigned count) {
#define LAUNCH(kernel) \
    if (std::string(name) == #kernel) return !launch(kernel, {grid_x, grid_y}, threads, shared, arguments, count);
    LAUNCH(embed)
    LAUNCH(embed_requests)
    LAUNCH(answer)
    LAUNCH(mean_token)
    LAUNCH(dense)
    LAUNCH(dense_norm)
    LAUNCH(feed_forward)
    LAUNCH(attend_first)
    LAUNCH(attend_second)
    LAUNCH(attend_requests)
    return 1;
}
