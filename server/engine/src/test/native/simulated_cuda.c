/*
 * A CUDA device that is none: the functions of libcudart and libcublas that the engine calls, computed on the CPU and checked more strictly than a device does.
 *
 * What it sees: addresses outside of what was allocated, by one element; bytes read that nobody wrote; work on two streams that touches the same memory and is not ordered;
 * pinned memory that is changed or read too early, because streams work only when somebody waits for them (sim_set_lazy); handles and memory used after their end; what is left at the end.
 * What it cannot see: speed, the rounding of a real device, alignment, which types and sizes cuBLAS supports where.
 *
 * Addresses on the device lie in a reserved range that nobody may touch, are never used twice, and are translated here; so a read by the host dies. Compiled against NVIDIA's headers, the
 * compiler compares signatures; with SIM_NO_HEADERS it does without them.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef SIM_NO_HEADERS
typedef int cudaError_t;
typedef int cublasStatus_t;
typedef struct CUstream_st *cudaStream_t;
typedef struct CUevent_st *cudaEvent_t;
typedef struct cublasContext *cublasHandle_t;
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
enum cudaDeviceAttr { cudaDevAttrComputeCapabilityMajor = 75, cudaDevAttrComputeCapabilityMinor = 76 };
typedef int cublasOperation_t;
typedef int cublasMath_t;
typedef int cublasSideMode_t;
typedef int cublasComputeType_t;
typedef int cublasGemmAlgo_t;
typedef int cudaDataType;
enum { CUBLAS_OP_N = 0, CUBLAS_OP_T = 1, CUBLAS_SIDE_RIGHT = 1, CUBLAS_COMPUTE_32F = 68, CUDA_R_32F = 0, CUDA_R_16BF = 14 };
#else
/* These headers want C++; cublas_v2.h wants the names. */
#define __CUDA_FP16_H__
#define __CUDA_BF16_H__
typedef struct { unsigned short bits; } __half;
typedef struct { unsigned short bits; } __nv_bfloat16;
#include <cuda_runtime_api.h>
#include <cublas_v2.h>
#endif

#define EXPORT __attribute__((visibility("default")))
#define MAX_STREAMS 32
#define MAX_EVENTS 256
#define MAX_ALLOCATIONS 65536
#define MAX_PINNED 1024
#define MAX_VIOLATIONS 256
#define GRANULE 64
#define RED_ZONE (1 << 16)
#define RESERVED ((size_t)1 << 44)

enum { OUT_OF_MEMORY = 2, INVALID_VALUE = 1, NO_DRIVER = 35, NO_DEVICE = 100, ILLEGAL_ADDRESS = 700 };
enum { CUBLAS_NOT_INITIALIZED = 1, CUBLAS_ALLOC_FAILED = 3, CUBLAS_INVALID_VALUE = 7, CUBLAS_EXECUTION_FAILED = 13, CUBLAS_NOT_SUPPORTED = 15 };

/* Logical time: entry s counts the work of stream s that is known to be over. */
typedef struct { uint32_t of[MAX_STREAMS]; } Clock;

typedef struct {
    uint32_t writer, writtenAt;     /* stream + 1 that wrote last, and when */
    uint32_t readAt[MAX_STREAMS];
} Granule;

typedef struct {
    uintptr_t address;
    size_t size;
    unsigned char *bytes, *written;
    Granule *granules;
} Allocation;

typedef struct { void *memory; size_t size; } Pinned;

typedef enum { COPY, MEMSET_2D, GEMM, DGMM, GEAM, WAIT } Kind;

/* A matrix as a function of cuBLAS gets it, column-major. */
typedef struct { uintptr_t at; int type, rows, columns, ld, transposed; long long stride; } Matrix;

typedef struct Work {
    struct Work *next;
    Kind kind;
    const char *function;
    int direction, value, m, n, k, batch, increment;
    void *target;
    const void *source;
    unsigned char *staged;          /* what was read from memory that is not pinned */
    size_t size, pitch, width, height;
    float alpha, beta;
    Matrix a, b, c;
    int stream;                     /* WAIT: for this one */
    uint64_t upTo;                  /* WAIT: until so much of it is done */
} Work;

typedef struct {
    int live;
    Work *first, **last;
    uint64_t queued, done;
    Clock clock;
} Stream;

typedef struct { int live, recorded, stream; uint64_t upTo; Clock clock; } Event;
typedef struct { int live, stream, workspace, mode; } Handle;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned char *reserved;
static size_t used;
static Allocation *allocations;
static int allocationCount;
static Pinned pinned[MAX_PINNED];
static Stream streams[MAX_STREAMS];
static Event events[MAX_EVENTS];
static Handle handle;
static Clock host;
static long memoryLimit, memoryUsed;
static int driver, devices, capabilityMajor, capabilityMinor, lazy, sticky, gemmsUntilFault;
static char violations[MAX_VIOLATIONS][256];
static int violationCount;
static long copied[4];

/* --- Functions: how often they were called, and which call fails. */

static const char *const functionNames[] = {
    "cudaDriverGetVersion", "cudaRuntimeGetVersion", "cudaGetDeviceCount", "cudaDeviceGetAttribute", "cudaSetDevice",
    "cudaMemGetInfo", "cudaMalloc", "cudaFree", "cudaHostAlloc", "cudaFreeHost", "cudaMemcpyAsync", "cudaMemset2DAsync",
    "cudaStreamCreateWithFlags", "cudaStreamDestroy", "cudaStreamSynchronize", "cudaStreamWaitEvent",
    "cudaEventCreateWithFlags", "cudaEventDestroy", "cudaEventRecord", "cudaEventSynchronize", "cublasCreate_v2",
    "cublasDestroy_v2", "cublasGetVersion_v2", "cublasSetStream_v2", "cublasSetWorkspace_v2", "cublasSetMathMode",
    "cublasGemmStridedBatchedEx", "cublasSdgmm", "cublasSgeam"};
#define FUNCTIONS ((int)(sizeof functionNames / sizeof *functionNames))
static long calls[FUNCTIONS];
static int failAt[FUNCTIONS], failCode[FUNCTIONS];

__attribute__((format(printf, 2, 3))) static void violation(const char *function, const char *format, ...) {
    if (violationCount < MAX_VIOLATIONS) {
        char *text = violations[violationCount];
        int length = snprintf(text, sizeof *violations, "%s: ", function);
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(text + length, sizeof *violations - (size_t)length, format, arguments);
        va_end(arguments);
    }
    violationCount++;
}

static int indexOf(const char *function) {
    for (int i = 0; i < FUNCTIONS; i++) {
        if (strcmp(functionNames[i], function) == 0) return i;
    }
    abort();
}

/* What a call returns before it does anything; 0: it goes on. */
static int entered(const char *function) {
    int i = indexOf(function), blas = strncmp(function, "cublas", 6) == 0;
    calls[i]++;
    if (failAt[i] > 0 && --failAt[i] == 0) {
        int code = failCode[i];
        if (!blas) return code;
        return code == OUT_OF_MEMORY ? CUBLAS_ALLOC_FAILED : code == INVALID_VALUE ? CUBLAS_INVALID_VALUE : CUBLAS_EXECUTION_FAILED;
    }
    if (i < 2) return 0; /* versions can be asked for without a driver */
    int code = driver < SIM_CUDA_MAJOR * 1000 ? NO_DRIVER : devices == 0 ? NO_DEVICE : sticky ? ILLEGAL_ADDRESS : 0;
    if (code == 0 || !blas) return code;
    return code == ILLEGAL_ADDRESS ? CUBLAS_EXECUTION_FAILED : CUBLAS_NOT_INITIALIZED;
}

#define ENTER(type, function)                  \
    pthread_mutex_lock(&mutex);                \
    int refused_ = entered(function);          \
    if (refused_ != 0) {                       \
        pthread_mutex_unlock(&mutex);          \
        return (type)refused_;                 \
    }
#define LEAVE(type, code)                      \
    do {                                       \
        int code_ = (code);                    \
        pthread_mutex_unlock(&mutex);          \
        return (type)code_;                    \
    } while (0)

/* --- Memory. */

static Allocation *holding(uintptr_t address, size_t size) {
    for (int i = allocationCount - 1; i >= 0; i--) {
        Allocation *each = &allocations[i];
        if (each->bytes && address >= each->address && address - each->address <= each->size) {
            return size <= each->size - (address - each->address) ? each : NULL;
        }
    }
    return NULL;
}

static Pinned *pinnedWith(const void *memory, size_t size) {
    uintptr_t at = (uintptr_t)memory;
    for (int i = 0; i < MAX_PINNED; i++) {
        uintptr_t start = (uintptr_t)pinned[i].memory;
        if (start && at >= start && at + size <= start + pinned[i].size) return &pinned[i];
    }
    return NULL;
}

static void join(Clock *clock, const Clock *other) {
    for (int s = 0; s < MAX_STREAMS; s++) {
        if (other->of[s] > clock->of[s]) clock->of[s] = other->of[s];
    }
}

/* Notes that work of a stream touches bytes, and whether that is ordered against what others do. Returns 0 if there are no such bytes. */
static int touch(const char *function, int stream, uintptr_t address, size_t size, int write) {
    if (size == 0) return 1;
    Allocation *in = holding(address, size);
    if (!in) {
        violation(function, "%zu bytes at %#lx are not within one allocation", size, (unsigned long)address);
        return 0;
    }
    const Clock *now = &streams[stream].clock;
    size_t first = (address - in->address) / GRANULE, last = (address - in->address + size - 1) / GRANULE;
    for (size_t g = first; g <= last; g++) {
        Granule *granule = &in->granules[g];
        int writer = (int)granule->writer - 1;
        if (writer >= 0 && writer != stream && granule->writtenAt > now->of[writer]) {
            violation(function, "stream %d uses what stream %d writes, and does not wait for it", stream, writer);
            return 1;
        }
        for (int s = 0; write && s < MAX_STREAMS; s++) {
            if (s != stream && granule->readAt[s] > now->of[s]) {
                violation(function, "stream %d writes what stream %d reads, and does not wait for it", stream, s);
                return 1;
            }
        }
        if (write) {
            granule->writer = (uint32_t)stream + 1;
            granule->writtenAt = now->of[stream];
        } else {
            granule->readAt[stream] = now->of[stream];
        }
    }
    return 1;
}

static unsigned char *bytesAt(uintptr_t address) {
    Allocation *in = holding(address, 0);
    return in->bytes + (address - in->address);
}

static void checkWritten(const char *function, uintptr_t address, size_t size) {
    Allocation *in = holding(address, size);
    if (in && size && memchr(in->written + (address - in->address), 0, size)) {
        violation(function, "reads bytes that nobody has written");
    }
}

static void markWritten(uintptr_t address, size_t size) {
    Allocation *in = holding(address, size);
    if (in) memset(in->written + (address - in->address), 1, size);
}

/* --- Matrices. */

static size_t elementSize(int type) { return type == CUDA_R_16BF ? 2 : 4; }

static int fits(const char *function, int stream, const Matrix *matrix, int batch, int write) {
    int rows = matrix->transposed ? matrix->columns : matrix->rows;
    int columns = matrix->transposed ? matrix->rows : matrix->columns;
    if (matrix->ld < (rows > 1 ? rows : 1)) {
        violation(function, "leading dimension %d of a matrix of %d rows", matrix->ld, rows);
        return 0;
    }
    for (int i = 0; i < batch; i++) {
        for (int j = 0; j < columns; j++) {
            uintptr_t at = matrix->at + ((size_t)i * (size_t)matrix->stride + (size_t)j * (size_t)matrix->ld) * elementSize(matrix->type);
            if (!touch(function, stream, at, (size_t)rows * elementSize(matrix->type), write)) return 0;
        }
    }
    return 1;
}

static void written(const char *function, const Matrix *matrix, int batch, int mark) {
    int rows = matrix->transposed ? matrix->columns : matrix->rows;
    int columns = matrix->transposed ? matrix->rows : matrix->columns;
    for (int i = 0; i < batch; i++) {
        for (int j = 0; j < columns; j++) {
            uintptr_t at = matrix->at + ((size_t)i * (size_t)matrix->stride + (size_t)j * (size_t)matrix->ld) * elementSize(matrix->type);
            if (mark) markWritten(at, (size_t)rows * elementSize(matrix->type));
            else checkWritten(function, at, (size_t)rows * elementSize(matrix->type));
        }
    }
}

static float element(const Matrix *matrix, const unsigned char *bytes, int batch, int row, int column) {
    size_t at = (size_t)batch * (size_t)matrix->stride
        + (matrix->transposed ? (size_t)row * (size_t)matrix->ld + (size_t)column : (size_t)column * (size_t)matrix->ld + (size_t)row);
    float value;
    if (matrix->type == CUDA_R_16BF) {
        uint16_t half;
        memcpy(&half, bytes + 2 * at, 2);
        uint32_t whole = (uint32_t)half << 16;
        memcpy(&value, &whole, 4);
    } else {
        memcpy(&value, bytes + 4 * at, 4);
    }
    return value;
}

static void multiply(const Work *work) {
    const unsigned char *a = bytesAt(work->a.at), *b = bytesAt(work->b.at);
    unsigned char *c = bytesAt(work->c.at);
    written(work->function, &work->a, work->batch, 0);
    written(work->function, &work->b, work->batch, 0);
    if (work->beta != 0) written(work->function, &work->c, work->batch, 0);
    for (int i = 0; i < work->batch; i++) {
        for (int column = 0; column < work->n; column++) {
            for (int row = 0; row < work->m; row++) {
                float sum = 0;
                for (int k = 0; k < work->k; k++) {
                    sum += element(&work->a, a, i, row, k) * element(&work->b, b, i, k, column);
                }
                float result = work->alpha * sum;
                if (work->beta != 0) result += work->beta * element(&work->c, c, i, row, column);
                memcpy(c + 4 * ((size_t)i * (size_t)work->c.stride + (size_t)column * (size_t)work->c.ld + (size_t)row), &result, 4);
            }
        }
    }
    written(work->function, &work->c, work->batch, 1);
    if (gemmsUntilFault > 0 && --gemmsUntilFault == 0) sticky = 1;
}

/* C = A diag(x), or C = alpha A + beta B; element by element, so C may be A or B. */
static void combine(const Work *work) {
    const unsigned char *a = bytesAt(work->a.at), *b = work->beta != 0 ? bytesAt(work->b.at) : NULL;
    unsigned char *c = bytesAt(work->c.at);
    written(work->function, &work->a, 1, 0);
    if (b) written(work->function, &work->b, 1, 0);
    for (int column = 0; column < work->n; column++) {
        for (int row = 0; row < work->m; row++) {
            float value = work->alpha * element(&work->a, a, 0, row, column), other;
            if (b && work->kind == DGMM) {
                memcpy(&other, b + 4 * (size_t)column * (size_t)work->increment, 4);
                value *= other;
            } else if (b) {
                value += work->beta * element(&work->b, b, 0, row, column);
            }
            memcpy(c + 4 * ((size_t)column * (size_t)work->c.ld + (size_t)row), &value, 4);
        }
    }
    written(work->function, &work->c, 1, 1);
}

/* --- Streams. */

static void drain(int stream, uint64_t upTo);

static void copy(const Work *work) {
    if (work->direction == cudaMemcpyHostToDevice) {
        memcpy(bytesAt((uintptr_t)work->target), work->staged ? work->staged : work->source, work->size);
        markWritten((uintptr_t)work->target, work->size);
    } else {
        checkWritten(work->function, (uintptr_t)work->source, work->size);
        memcpy(work->target, bytesAt((uintptr_t)work->source), work->size);
    }
    copied[work->direction] += (long)work->size;
}

static void perform(const Work *work) {
    if (sticky) return;
    switch (work->kind) {
        case COPY: copy(work); break;
        case MEMSET_2D:
            for (size_t i = 0; i < work->height; i++) {
                uintptr_t at = (uintptr_t)work->target + i * work->pitch;
                memset(bytesAt(at), work->value, work->width);
                markWritten(at, work->width);
            }
            break;
        case GEMM: multiply(work); break;
        case DGMM:
        case GEAM: combine(work); break;
        case WAIT: drain(work->stream, work->upTo); break;
    }
}

static void drain(int stream, uint64_t upTo) {
    Stream *queue = &streams[stream];
    while (queue->done < upTo && queue->first) {
        Work *work = queue->first;
        queue->first = work->next;
        if (!queue->first) queue->last = &queue->first;
        queue->done++;
        perform(work);
        free(work->staged);
        free(work);
    }
}

static void drainAll(void) {
    for (int s = 0; s < MAX_STREAMS; s++) {
        drain(s, streams[s].queued);
        join(&host, &streams[s].clock);
    }
}

static int streamOf(const char *function, cudaStream_t stream) {
    intptr_t s = (intptr_t)stream - 1;
    if (s >= 0 && s < MAX_STREAMS && streams[s].live) return (int)s;
    violation(function, stream ? "a stream that is none" : "the default stream");
    return -1;
}

static Event *eventOf(const char *function, cudaEvent_t event) {
    intptr_t e = (intptr_t)event - 1;
    if (e >= 0 && e < MAX_EVENTS && events[e].live) return &events[e];
    violation(function, "an event that is none");
    return NULL;
}

/* What a stream does next happens after all that the host knows of. */
static void begin(int stream) {
    join(&streams[stream].clock, &host);
    streams[stream].clock.of[stream]++;
}

static void enqueue(int stream, Work work) {
    Work *queued = malloc(sizeof *queued);
    *queued = work;
    queued->next = NULL;
    Stream *queue = &streams[stream];
    *queue->last = queued;
    queue->last = &queued->next;
    queue->queued++;
    if (!lazy) drain(stream, queue->queued);
}

/* --- libcudart. */

EXPORT cudaError_t cudaDriverGetVersion(int *version) {
    ENTER(cudaError_t, "cudaDriverGetVersion");
    *version = driver;
    LEAVE(cudaError_t, 0);
}

EXPORT cudaError_t cudaRuntimeGetVersion(int *version) {
    ENTER(cudaError_t, "cudaRuntimeGetVersion");
    *version = SIM_CUDA_MAJOR * 1000;
    LEAVE(cudaError_t, 0);
}

EXPORT cudaError_t cudaGetDeviceCount(int *count) {
    ENTER(cudaError_t, "cudaGetDeviceCount");
    *count = devices;
    LEAVE(cudaError_t, 0);
}

EXPORT cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device) {
    ENTER(cudaError_t, "cudaDeviceGetAttribute");
    *value = attribute == cudaDevAttrComputeCapabilityMajor ? capabilityMajor : capabilityMinor;
    LEAVE(cudaError_t, device == 0 ? 0 : 101);
}

EXPORT cudaError_t cudaSetDevice(int device) {
    ENTER(cudaError_t, "cudaSetDevice");
    LEAVE(cudaError_t, device == 0 ? 0 : 101);
}

EXPORT cudaError_t cudaMemGetInfo(size_t *unused, size_t *total) {
    ENTER(cudaError_t, "cudaMemGetInfo");
    *unused = (size_t)(memoryLimit > memoryUsed ? memoryLimit - memoryUsed : 0);
    *total = (size_t)memoryLimit;
    LEAVE(cudaError_t, 0);
}

EXPORT cudaError_t cudaMalloc(void **memory, size_t size) {
    ENTER(cudaError_t, "cudaMalloc");
    if ((long)size > memoryLimit - memoryUsed) LEAVE(cudaError_t, OUT_OF_MEMORY);
    if (allocationCount == MAX_ALLOCATIONS || size == 0) LEAVE(cudaError_t, INVALID_VALUE);
    Allocation *made = &allocations[allocationCount++];
    *made = (Allocation){(uintptr_t)reserved + used, size, malloc(size), calloc(size, 1), calloc(size / GRANULE + 1, sizeof(Granule))};
    memset(made->bytes, 0xff, size); /* NaN */
    used += (size + 2 * RED_ZONE) / RED_ZONE * RED_ZONE;
    memoryUsed += (long)size;
    *memory = (void *)made->address;
    LEAVE(cudaError_t, 0);
}

static void release(Allocation *allocation) {
    free(allocation->bytes);
    free(allocation->written);
    free(allocation->granules);
    allocation->bytes = NULL;
    memoryUsed -= (long)allocation->size;
}

EXPORT cudaError_t cudaFree(void *memory) {
    ENTER(cudaError_t, "cudaFree");
    drainAll();
    Allocation *freed = holding((uintptr_t)memory, 0);
    if (!freed || freed->address != (uintptr_t)memory) {
        violation("cudaFree", "%p is no allocation", memory);
        LEAVE(cudaError_t, INVALID_VALUE);
    }
    release(freed);
    LEAVE(cudaError_t, 0);
}

EXPORT cudaError_t cudaHostAlloc(void **memory, size_t size, unsigned int flags) {
    ENTER(cudaError_t, "cudaHostAlloc");
    if (flags != 0) violation("cudaHostAlloc", "flags %u", flags);
    for (int i = 0; i < MAX_PINNED; i++) {
        if (!pinned[i].memory) {
            pinned[i] = (Pinned){malloc(size), size};
            memset(pinned[i].memory, 0xff, size);
            *memory = pinned[i].memory;
            LEAVE(cudaError_t, 0);
        }
    }
    LEAVE(cudaError_t, OUT_OF_MEMORY);
}

EXPORT cudaError_t cudaFreeHost(void *memory) {
    ENTER(cudaError_t, "cudaFreeHost");
    Pinned *freed = pinnedWith(memory, 0);
    if (!freed || freed->memory != memory) {
        violation("cudaFreeHost", "%p is not pinned", memory);
        LEAVE(cudaError_t, INVALID_VALUE);
    }
    for (int s = 0; s < MAX_STREAMS; s++) {
        for (Work *work = streams[s].first; work; work = work->next) {
            const void *with = work->direction == cudaMemcpyHostToDevice ? work->source : work->target;
            if (work->kind == COPY && !work->staged && pinnedWith(with, 0) == freed) {
                violation("cudaFreeHost", "a copy on stream %d is not over", s);
            }
        }
    }
    drainAll();
    free(freed->memory);
    *freed = (Pinned){0};
    LEAVE(cudaError_t, 0);
}

EXPORT cudaError_t cudaMemcpyAsync(void *target, const void *source, size_t size, enum cudaMemcpyKind kind, cudaStream_t stream) {
    ENTER(cudaError_t, "cudaMemcpyAsync");
    int s = streamOf("cudaMemcpyAsync", stream);
    int toDevice = kind == cudaMemcpyHostToDevice;
    if (s < 0 || (!toDevice && kind != cudaMemcpyDeviceToHost)) LEAVE(cudaError_t, INVALID_VALUE);
    begin(s);
    if (!touch("cudaMemcpyAsync", s, (uintptr_t)(toDevice ? target : source), size, toDevice)) LEAVE(cudaError_t, INVALID_VALUE);
    Work work = {.kind = COPY, .function = "cudaMemcpyAsync", .direction = (int)kind, .target = target, .source = source, .size = size};
    int isPinned = pinnedWith(toDevice ? source : target, size) != NULL;
    if (!isPinned && toDevice) {
        work.staged = malloc(size);
        memcpy(work.staged, source, size);
    }
    enqueue(s, work);
    if (!isPinned && !toDevice) {
        drain(s, streams[s].queued);
        join(&host, &streams[s].clock);
    }
    LEAVE(cudaError_t, 0);
}

EXPORT cudaError_t cudaMemset2DAsync(void *target, size_t pitch, int value, size_t width, size_t height, cudaStream_t stream) {
    ENTER(cudaError_t, "cudaMemset2DAsync");
    int s = streamOf("cudaMemset2DAsync", stream);
    if (s < 0 || width > pitch) LEAVE(cudaError_t, INVALID_VALUE);
    begin(s);
    for (size_t i = 0; i < height; i++) {
        if (!touch("cudaMemset2DAsync", s, (uintptr_t)target + i * pitch, width, 1)) LEAVE(cudaError_t, INVALID_VALUE);
    }
    enqueue(s, (Work){.kind = MEMSET_2D, .function = "cudaMemset2DAsync", .target = target, .pitch = pitch, .value = value, .width = width, .height = height});
    LEAVE(cudaError_t, 0);
}

EXPORT cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned int flags) {
    ENTER(cudaError_t, "cudaStreamCreateWithFlags");
    if (flags != 1) violation("cudaStreamCreateWithFlags", "the stream waits for the default one");
    for (int s = 0; s < MAX_STREAMS; s++) {
        if (!streams[s].live) {
            streams[s].live = 1;
            *stream = (cudaStream_t)(intptr_t)(s + 1);
            LEAVE(cudaError_t, 0);
        }
    }
    LEAVE(cudaError_t, OUT_OF_MEMORY);
}

EXPORT cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    ENTER(cudaError_t, "cudaStreamDestroy");
    int s = streamOf("cudaStreamDestroy", stream);
    if (s < 0) LEAVE(cudaError_t, INVALID_VALUE);
    drain(s, streams[s].queued);
    streams[s].live = 0;
    LEAVE(cudaError_t, 0);
}

EXPORT cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    ENTER(cudaError_t, "cudaStreamSynchronize");
    int s = streamOf("cudaStreamSynchronize", stream);
    if (s < 0) LEAVE(cudaError_t, INVALID_VALUE);
    drain(s, streams[s].queued);
    join(&host, &streams[s].clock);
    LEAVE(cudaError_t, sticky ? ILLEGAL_ADDRESS : 0);
}

EXPORT cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int flags) {
    ENTER(cudaError_t, "cudaStreamWaitEvent");
    int s = streamOf("cudaStreamWaitEvent", stream);
    Event *awaited = eventOf("cudaStreamWaitEvent", event);
    if (s < 0 || !awaited || flags != 0) LEAVE(cudaError_t, INVALID_VALUE);
    if (awaited->recorded) {
        join(&streams[s].clock, &awaited->clock);
        enqueue(s, (Work){.kind = WAIT, .function = "cudaStreamWaitEvent", .stream = awaited->stream, .upTo = awaited->upTo});
    }
    LEAVE(cudaError_t, 0);
}

EXPORT cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned int flags) {
    ENTER(cudaError_t, "cudaEventCreateWithFlags");
    if (flags != 2) violation("cudaEventCreateWithFlags", "the event takes times, which nobody reads");
    for (int e = 0; e < MAX_EVENTS; e++) {
        if (!events[e].live) {
            events[e] = (Event){.live = 1};
            *event = (cudaEvent_t)(intptr_t)(e + 1);
            LEAVE(cudaError_t, 0);
        }
    }
    LEAVE(cudaError_t, OUT_OF_MEMORY);
}

EXPORT cudaError_t cudaEventDestroy(cudaEvent_t event) {
    ENTER(cudaError_t, "cudaEventDestroy");
    Event *destroyed = eventOf("cudaEventDestroy", event);
    if (!destroyed) LEAVE(cudaError_t, INVALID_VALUE);
    destroyed->live = 0;
    LEAVE(cudaError_t, 0);
}

EXPORT cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    ENTER(cudaError_t, "cudaEventRecord");
    int s = streamOf("cudaEventRecord", stream);
    Event *recorded = eventOf("cudaEventRecord", event);
    if (s < 0 || !recorded) LEAVE(cudaError_t, INVALID_VALUE);
    *recorded = (Event){.live = 1, .recorded = 1, .stream = s, .upTo = streams[s].queued, .clock = streams[s].clock};
    LEAVE(cudaError_t, 0);
}

EXPORT cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    ENTER(cudaError_t, "cudaEventSynchronize");
    Event *awaited = eventOf("cudaEventSynchronize", event);
    if (!awaited) LEAVE(cudaError_t, INVALID_VALUE);
    if (awaited->recorded) {
        drain(awaited->stream, awaited->upTo);
        join(&host, &awaited->clock);
    }
    LEAVE(cudaError_t, 0);
}

EXPORT const char *cudaGetErrorName(cudaError_t error) {
    switch ((int)error) {
        case INVALID_VALUE: return "cudaErrorInvalidValue";
        case OUT_OF_MEMORY: return "cudaErrorMemoryAllocation";
        case NO_DRIVER: return "cudaErrorInsufficientDriver";
        case NO_DEVICE: return "cudaErrorNoDevice";
        case ILLEGAL_ADDRESS: return "cudaErrorIllegalAddress";
        default: return "cudaErrorUnknown";
    }
}

/* --- libcublas. */

static int cublasStream(const char *function, cublasHandle_t given) {
    if (given != (cublasHandle_t)&handle || !handle.live) {
        violation(function, "a handle that is none");
        return -1;
    }
    if (handle.stream < 0) violation(function, "the default stream");
    return handle.stream;
}

EXPORT cublasStatus_t cublasCreate_v2(cublasHandle_t *created) {
    ENTER(cublasStatus_t, "cublasCreate_v2");
    handle = (Handle){.live = 1, .stream = -1};
    *created = (cublasHandle_t)&handle;
    LEAVE(cublasStatus_t, 0);
}

EXPORT cublasStatus_t cublasDestroy_v2(cublasHandle_t given) {
    ENTER(cublasStatus_t, "cublasDestroy_v2");
    if (given != (cublasHandle_t)&handle || !handle.live) {
        violation("cublasDestroy_v2", "a handle that is none");
        LEAVE(cublasStatus_t, CUBLAS_INVALID_VALUE);
    }
    drainAll();
    handle.live = 0;
    LEAVE(cublasStatus_t, 0);
}

EXPORT cublasStatus_t cublasGetVersion_v2(cublasHandle_t given, int *version) {
    ENTER(cublasStatus_t, "cublasGetVersion_v2");
    *version = given ? SIM_CUDA_MAJOR * 10000 : 0;
    LEAVE(cublasStatus_t, 0);
}

EXPORT cublasStatus_t cublasSetStream_v2(cublasHandle_t given, cudaStream_t stream) {
    ENTER(cublasStatus_t, "cublasSetStream_v2");
    int s = streamOf("cublasSetStream_v2", stream);
    if (given != (cublasHandle_t)&handle || s < 0) LEAVE(cublasStatus_t, CUBLAS_INVALID_VALUE);
    handle.stream = s;
    LEAVE(cublasStatus_t, 0);
}

EXPORT cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t given, void *workspace, size_t size) {
    ENTER(cublasStatus_t, "cublasSetWorkspace_v2");
    if (cublasStream("cublasSetWorkspace_v2", given) < 0) LEAVE(cublasStatus_t, CUBLAS_INVALID_VALUE);
    if (!holding((uintptr_t)workspace, size)) violation("cublasSetWorkspace_v2", "no such memory");
    handle.workspace = 1;
    LEAVE(cublasStatus_t, 0);
}

EXPORT cublasStatus_t cublasSetMathMode(cublasHandle_t given, cublasMath_t mode) {
    ENTER(cublasStatus_t, "cublasSetMathMode");
    if (cublasStream("cublasSetMathMode", given) >= 0) handle.mode = (int)mode;
    LEAVE(cublasStatus_t, 0);
}

EXPORT const char *cublasGetStatusString(cublasStatus_t status) {
    switch ((int)status) {
        case CUBLAS_NOT_INITIALIZED: return "the library was not initialized";
        case CUBLAS_ALLOC_FAILED: return "the resource allocation failed";
        case CUBLAS_NOT_SUPPORTED: return "the requested functionality is not supported";
        case CUBLAS_INVALID_VALUE: return "an unsupported value or parameter was passed to the function";
        default: return "the function failed to launch on the GPU";
    }
}

EXPORT cublasStatus_t cublasGemmStridedBatchedEx(
    cublasHandle_t given, cublasOperation_t transa, cublasOperation_t transb, int m, int n, int k, const void *alpha, const void *A, cudaDataType Atype,
    int lda, long long int strideA, const void *B, cudaDataType Btype, int ldb, long long int strideB, const void *beta, void *C, cudaDataType Ctype,
    int ldc, long long int strideC, int batchCount, cublasComputeType_t computeType, cublasGemmAlgo_t algo) {
    const char *function = "cublasGemmStridedBatchedEx";
    ENTER(cublasStatus_t, function);
    int s = cublasStream(function, given);
    if (s < 0 || Atype != Btype || Ctype != CUDA_R_32F || computeType != CUBLAS_COMPUTE_32F || (int)algo != -1 || m < 0 || n < 0 || k < 0
        || (Atype != CUDA_R_32F && Atype != CUDA_R_16BF)) {
        violation(function, "types %d, %d, %d, computation %d, algorithm %d", (int)Atype, (int)Btype, (int)Ctype, (int)computeType, (int)algo);
        LEAVE(cublasStatus_t, CUBLAS_INVALID_VALUE);
    }
    if (!handle.workspace || handle.mode != 16) violation(function, "no workspace of its own, or sums of reduced precision");
    if (Atype == CUDA_R_16BF && capabilityMajor < 8) LEAVE(cublasStatus_t, CUBLAS_NOT_SUPPORTED);
    Work work = {.kind = GEMM, .function = function, .m = m, .n = n, .k = k, .batch = batchCount};
    memcpy(&work.alpha, alpha, 4);
    memcpy(&work.beta, beta, 4);
    work.a = (Matrix){(uintptr_t)A, (int)Atype, m, k, lda, transa == CUBLAS_OP_T, strideA};
    work.b = (Matrix){(uintptr_t)B, (int)Btype, k, n, ldb, transb == CUBLAS_OP_T, strideB};
    work.c = (Matrix){(uintptr_t)C, (int)Ctype, m, n, ldc, 0, strideC};
    begin(s);
    if (!fits(function, s, &work.a, batchCount, 0) || !fits(function, s, &work.b, batchCount, 0) || !fits(function, s, &work.c, batchCount, 1)) {
        LEAVE(cublasStatus_t, CUBLAS_INVALID_VALUE);
    }
    enqueue(s, work);
    LEAVE(cublasStatus_t, 0);
}

EXPORT cublasStatus_t cublasSdgmm(
    cublasHandle_t given, cublasSideMode_t mode, int m, int n, const float *A, int lda, const float *x, int incx, float *C, int ldc) {
    ENTER(cublasStatus_t, "cublasSdgmm");
    int s = cublasStream("cublasSdgmm", given);
    if (s < 0 || mode != CUBLAS_SIDE_RIGHT || incx != 1) {
        violation("cublasSdgmm", "side %d, increment %d are not simulated", (int)mode, incx);
        LEAVE(cublasStatus_t, CUBLAS_INVALID_VALUE);
    }
    Work work = {.kind = DGMM, .function = "cublasSdgmm", .m = m, .n = n, .alpha = 1, .beta = 1, .increment = incx};
    work.a = (Matrix){(uintptr_t)A, CUDA_R_32F, m, n, lda, 0, 0};
    work.b = (Matrix){(uintptr_t)x, CUDA_R_32F, n, 1, n, 0, 0};
    work.c = (Matrix){(uintptr_t)C, CUDA_R_32F, m, n, ldc, 0, 0};
    begin(s);
    if (!fits("cublasSdgmm", s, &work.a, 1, 0) || !fits("cublasSdgmm", s, &work.b, 1, 0) || !fits("cublasSdgmm", s, &work.c, 1, 1)) {
        LEAVE(cublasStatus_t, CUBLAS_INVALID_VALUE);
    }
    enqueue(s, work);
    LEAVE(cublasStatus_t, 0);
}

EXPORT cublasStatus_t cublasSgeam(
    cublasHandle_t given, cublasOperation_t transa, cublasOperation_t transb, int m, int n, const float *alpha, const float *A, int lda,
    const float *beta, const float *B, int ldb, float *C, int ldc) {
    ENTER(cublasStatus_t, "cublasSgeam");
    int s = cublasStream("cublasSgeam", given);
    if (s < 0 || transa != CUBLAS_OP_N || transb != CUBLAS_OP_N) {
        violation("cublasSgeam", "transposition is not simulated");
        LEAVE(cublasStatus_t, CUBLAS_INVALID_VALUE);
    }
    if ((A == C && lda != ldc) || (*beta != 0 && B == C && ldb != ldc)) violation("cublasSgeam", "C is an operand with another leading dimension");
    Work work = {.kind = GEAM, .function = "cublasSgeam", .m = m, .n = n, .alpha = *alpha, .beta = *beta};
    work.a = (Matrix){(uintptr_t)A, CUDA_R_32F, m, n, lda, 0, 0};
    work.b = (Matrix){(uintptr_t)B, CUDA_R_32F, m, n, ldb, 0, 0};
    work.c = (Matrix){(uintptr_t)C, CUDA_R_32F, m, n, ldc, 0, 0};
    begin(s);
    if (!fits("cublasSgeam", s, &work.a, 1, 0) || (*beta != 0 && !fits("cublasSgeam", s, &work.b, 1, 0)) || !fits("cublasSgeam", s, &work.c, 1, 1)) {
        LEAVE(cublasStatus_t, CUBLAS_INVALID_VALUE);
    }
    enqueue(s, work);
    LEAVE(cublasStatus_t, 0);
}

/* --- What tests ask for. */

EXPORT void sim_reset(void) {
    pthread_mutex_lock(&mutex);
    if (!reserved) {
        reserved = mmap(NULL, RESERVED, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        allocations = calloc(MAX_ALLOCATIONS, sizeof *allocations);
    }
    sticky = 1; /* what is queued is dropped */
    drainAll();
    for (int i = 0; i < allocationCount; i++) {
        if (allocations[i].bytes) release(&allocations[i]);
    }
    for (int i = 0; i < MAX_PINNED; i++) free(pinned[i].memory);
    allocationCount = 0; /* addresses go on: those of before belong to nobody */
    memset(pinned, 0, sizeof pinned);
    memset(streams, 0, sizeof streams);
    memset(events, 0, sizeof events);
    memset(&host, 0, sizeof host);
    memset(calls, 0, sizeof calls);
    memset(failAt, 0, sizeof failAt);
    memset(copied, 0, sizeof copied);
    for (int s = 0; s < MAX_STREAMS; s++) streams[s].last = &streams[s].first;
    handle.live = 0;
    memoryUsed = violationCount = sticky = gemmsUntilFault = 0;
    memoryLimit = 1L << 30;
    driver = SIM_CUDA_MAJOR * 1000 + 90;
    devices = 1;
    capabilityMajor = 9;
    capabilityMinor = 0;
    lazy = 1;
    pthread_mutex_unlock(&mutex);
}

__attribute__((constructor)) static void setUp(void) { sim_reset(); }

EXPORT void sim_set_memory(long bytes) { memoryLimit = bytes; }
EXPORT void sim_set_driver(int version) { driver = version; }
EXPORT void sim_set_devices(int count) { devices = count; }
EXPORT void sim_set_capability(int major, int minor) { capabilityMajor = major; capabilityMinor = minor; }
EXPORT void sim_set_lazy(int on) { lazy = on; }
EXPORT void sim_fault_after_gemms(int nth) { gemmsUntilFault = nth; }

/* The nth call from now on of a function does nothing and returns this code of the runtime, or what corresponds to it in cuBLAS. */
EXPORT void sim_fail(const char *function, int nth, int code) {
    failAt[indexOf(function)] = nth;
    failCode[indexOf(function)] = code;
}

EXPORT long sim_calls(const char *function) { return calls[indexOf(function)]; }
EXPORT int sim_function_count(void) { return FUNCTIONS; }
EXPORT const char *sim_function_name(int i) { return functionNames[i]; }
EXPORT int sim_violations(void) { return violationCount; }
EXPORT const char *sim_violation(int i) { return violations[i]; }
EXPORT long sim_device_bytes(void) { return memoryUsed; }
EXPORT long sim_copied_bytes(int kind) { return copied[kind]; }

EXPORT long sim_leaks(void) {
    long count = handle.live;
    for (int i = 0; i < allocationCount; i++) count += allocations[i].bytes != NULL;
    for (int i = 0; i < MAX_PINNED; i++) count += pinned[i].memory != NULL;
    for (int i = 0; i < MAX_STREAMS; i++) count += streams[i].live;
    for (int i = 0; i < MAX_EVENTS; i++) count += events[i].live;
    return count;
}
