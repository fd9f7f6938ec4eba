// The C face of torch.distributed: stores, process groups, collectives under way.
//
// Functions that return `int` return a `dist_status` and throw nothing; `dist_error` has the words of the calling thread's
// last failure. `dist_tensor` is a `torch::Tensor *`, as tch hands it out.
#pragma once
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef struct dist_store dist_store;
typedef struct dist_group dist_group;
typedef struct dist_work dist_work;
typedef void *dist_tensor;

enum dist_status { DIST_OK = 0, DIST_OTHER = 1, DIST_TIMEOUT = 2, DIST_LOST = 3 };
// Numbers of c10d::ReduceOp::RedOpType.
enum dist_op { DIST_SUM = 0, DIST_MIN = 3, DIST_MAX = 4 };

const char *dist_error(void);

// A client of the store at host:port, which this process itself serves if `serve` is not 0.
int dist_store_open(const char *host, uint16_t port, int serve, int64_t timeout_ms, dist_store **out);
void dist_store_close(dist_store *);
int dist_store_set(dist_store *, const char *key, const uint8_t *value, size_t len);
// Waits for the key. Writes at most `*len` bytes and sets `*len` to the length of the value.
int dist_store_get(dist_store *, const char *key, uint8_t *value, size_t *len);
// Whether the key is there.
int dist_store_has(dist_store *, const char *key, int *found);

// Meets `size` processes under `name` by the store. `timeout_ms` bounds the meeting and each collective.
int dist_group_open(dist_store *, const char *backend, const char *name, int rank, int size, int64_t timeout_ms,
                    dist_group **out);
// Bounds each collective from now on.
int dist_group_set_timeout(dist_group *, int64_t timeout_ms);
void dist_group_close(dist_group *);

// Each starts a collective on tensors that hold nothing sensible until dist_work_wait has returned.
int dist_all_reduce(dist_group *, dist_tensor inout, int op, dist_work **out);
int dist_reduce(dist_group *, dist_tensor inout, int root, int op, dist_work **out);
int dist_broadcast(dist_group *, dist_tensor inout, int root, dist_work **out);
int dist_reduce_scatter(dist_group *, dist_tensor output, dist_tensor input, int op, dist_work **out);
int dist_all_gather(dist_group *, dist_tensor output, dist_tensor input, dist_work **out);
int dist_barrier(dist_group *, dist_work **out);
// Waits, and frees the work however it ended.
int dist_work_wait(dist_work *);

#ifdef __cplusplus
}
#endif
