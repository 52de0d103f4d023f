/* What the hardware and the kernel allow, with nothing in between.
 *
 *     limits wake N CPU               one way, ns: eventfd ping-pong, one core
 *     limits publish N NBYTES CPU CPU ns: memcpy to shared memory, then a wake
 *
 * `publish` leaves out the wait until the reader has seen it and sleeps again.
 *
 * Prints one number, the median; of `publish`, of the means of 16 in a row.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HUGE_PAGE (2u << 20)

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void stay_on(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set))
        exit(2);
}

static void add(int fd)
{
    uint64_t one = 1;
    if (write(fd, &one, sizeof one) != sizeof one)
        exit(2);
}

static void take(int fd)
{
    uint64_t n;
    if (read(fd, &n, sizeof n) != sizeof n)
        exit(2);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t median(uint64_t *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, by_value);
    return values[n / 2];
}

/* Over windows of 16: what is done only now and then counts as well. */
static uint64_t steady(uint64_t *values, int n)
{
    int windows = n / 16;
    for (int i = 0; i < windows; i++) {
        uint64_t sum = 0;
        for (int j = 0; j < 16; j++)
            sum += values[16 * i + j];
        values[i] = sum / 16;
    }
    return median(values, windows);
}

/* Two processes wake each other in turn; half a round trip is one way. */
static uint64_t wake(int n, int cpu)
{
    int there = eventfd(0, 0), back = eventfd(0, 0);
    uint64_t *took = calloc((size_t)n, sizeof *took);
    pid_t other;

    stay_on(cpu);
    other = fork();
    while (other == 0) {
        take(there);
        add(back);
    }
    for (int i = 0; i < n; i++) {
        uint64_t start = now();
        add(there);
        take(back);
        took[i] = (now() - start) / 2;
    }
    kill(other, SIGKILL);
    return median(took, n);
}

/* One slot, always warm; the reader wakes, says so, and sleeps again. The source
 * begins on a page, as what a camera hands over does. */
static uint64_t publish(int n, size_t nbytes, int cpu, int reader_cpu)
{
    size_t whole = (nbytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    int ready = eventfd(0, 0), done = eventfd(0, 0);
    int memory = memfd_create("limits", 0);
    uint64_t *took = calloc((size_t)n, sizeof *took);
    char *source = aligned_alloc(HUGE_PAGE, whole), *slot;
    pid_t reader;

    if (!source || ftruncate(memory, (off_t)nbytes))
        exit(2);
    madvise(source, whole, MADV_HUGEPAGE); /* as numpy does from 4 MiB on */
    memset(source, 1, nbytes);
    slot = mmap(0, nbytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memory, 0);
    reader = fork();
    if (reader == 0) {
        stay_on(reader_cpu);
        for (;;) {
            take(ready);
            add(done);
        }
    }
    stay_on(cpu);
    for (int i = 0; i < n; i++) {
        uint64_t start = now();
        memcpy(slot, source, nbytes);
        add(ready);
        took[i] = now() - start;
        take(done);
        source[i % nbytes]++;
    }
    kill(reader, SIGKILL);
    return steady(took + n / 4, n - n / 4);
}

int main(int argc, char **argv)
{
    uint64_t ns;
    if (argc == 4 && !strcmp(argv[1], "wake"))
        ns = wake(atoi(argv[2]), atoi(argv[3]));
    else if (argc == 6 && !strcmp(argv[1], "publish"))
        ns = publish(atoi(argv[2]), (size_t)atol(argv[3]), atoi(argv[4]), atoi(argv[5]));
    else
        return 1;
    printf("%llu\n", (unsigned long long)ns);
    return 0;
}
