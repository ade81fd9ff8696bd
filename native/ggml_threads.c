// Compiled as part of ggml, in place of its ggml-cpu.c (see CMakeLists.txt). Without OpenMP, ggml's threads wait for each other in a loop that
// never gives the core away. If fewer cores are free than there are threads, each wait lasts until the system takes the core away: measured
// with two threads on one core, 36 times as long as one thread.

static void pause_or_yield(void);

// The loops call it without an argument; its definition has "void".
#define ggml_thread_cpu_relax(argument) GGML_THREADS_RELAX_##argument
#define GGML_THREADS_RELAX_void         pause_only(void)
#define GGML_THREADS_RELAX_             pause_or_yield()

#include "ggml-cpu.c"

// Some 10 microseconds: waits are shorter where each thread has a core.
#define PAUSES_BEFORE_YIELD 256

#ifdef _MSC_VER
static __declspec(thread) unsigned pauses;
#else
static _Thread_local unsigned pauses;
#endif

static void pause_or_yield(void) {
    pause_only();
    if (++pauses % PAUSES_BEFORE_YIELD == 0) {
        sched_yield();
    }
}
