#include "distributed.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>

#include <c10/util/Logging.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "nccl.h"

using Millis = std::chrono::milliseconds;

struct dist_store {
  c10::intrusive_ptr<c10d::Store> store;
};
struct dist_group {
  c10::intrusive_ptr<c10d::Backend> backend;
};
struct dist_work {
  c10::intrusive_ptr<c10d::Work> work;
};

namespace {

thread_local std::string failure;

// A timeout and a closed connection come as the same exception; what it says tells them apart.
int status_of_failure() {
  const auto says = [](const char *words) { return failure.find(words) != std::string::npos; };
  if (says("imed out") || says("imeout")) return DIST_TIMEOUT;
  for (const char *words : {"onnection closed", "onnection reset", "onnection abort", "roken pipe", "onnection refused", "recvValue failed",
                            "o route to host", "etwork is unreachable", "emote process exited", "ncclRemoteError"})
    if (says(words)) return DIST_LOST;
  return DIST_OTHER;
}

template <typename Body>
int guarded(Body &&body) {
  try {
    body();
    return DIST_OK;
  } catch (const c10::Error &error) {
    failure = error.what_without_backtrace();
  } catch (const std::exception &error) {
    failure = error.what();
  } catch (...) {
    failure = "an exception of an unknown kind";
  }
  return status_of_failure();
}

template <typename Begin>
int started(dist_work **out, Begin &&begin) {
  return guarded([&] { *out = new dist_work{begin()}; });
}

// Whatever goes wrong is an error with words of its own here; libtorch would tell it once more, with its stack. Who wants to
// read that sets TORCH_CPP_LOG_LEVEL.
void be_quiet() {
  if (!std::getenv("TORCH_CPP_LOG_LEVEL")) FLAGS_caffe2_log_level = c10::GLOG_FATAL;
}

at::Tensor &tensor(dist_tensor pointer) { return *static_cast<at::Tensor *>(pointer); }

c10d::ReduceOp reduce_op(int op) { return c10d::ReduceOp(static_cast<c10d::ReduceOp::RedOpType>(op)); }

}  // namespace

const char *dist_error(void) { return failure.c_str(); }

int dist_store_open(const char *host, uint16_t port, int serve, int64_t timeout_ms, dist_store **out) {
  return guarded([&] {
    be_quiet();
    c10d::TCPStoreOptions options;
    options.port = port;
    options.isServer = serve != 0;
    // An agent's store counts other clients than ours; who meets here waits for the keys of all.
    options.waitWorkers = false;
    options.multiTenant = true;
    options.timeout = Millis(timeout_ms);
    *out = new dist_store{c10::make_intrusive<c10d::TCPStore>(host, options)};
  });
}

void dist_store_close(dist_store *store) {
  guarded([&] { delete store; });
}

int dist_store_set(dist_store *store, const char *key, const uint8_t *value, size_t len) {
  return guarded([&] { store->store->set(key, std::vector<uint8_t>(value, value + len)); });
}

int dist_store_get(dist_store *store, const char *key, uint8_t *value, size_t *len) {
  return guarded([&] {
    const auto found = store->store->get(key);
    std::memcpy(value, found.data(), std::min(*len, found.size()));
    *len = found.size();
  });
}

int dist_store_has(dist_store *store, const char *key, int *found) {
  return guarded([&] { *found = store->store->check({key}) ? 1 : 0; });
}

int dist_group_open(dist_store *store, const char *backend, const char *name, int rank, int size, int64_t timeout_ms,
                    dist_group **out) {
  return guarded([&] {
    const auto timeout = Millis(timeout_ms);
    auto own = c10::make_intrusive<c10d::PrefixStore>(name, store->store);
    c10::intrusive_ptr<c10d::Backend> made;
    if (std::strcmp(backend, "nccl") == 0) {
      made = distributed::make_nccl(std::move(own), rank, size, name, timeout);
    } else {
      auto options = c10d::ProcessGroupGloo::Options::create_default(timeout);
      made = c10::make_intrusive<c10d::ProcessGroupGloo>(std::move(own), rank, size, std::move(options));
    }
    *out = new dist_group{std::move(made)};
  });
}

int dist_group_set_timeout(dist_group *group, int64_t timeout_ms) {
  return guarded([&] { group->backend->setTimeout(Millis(timeout_ms)); });
}

void dist_group_close(dist_group *group) {
  guarded([&] { group->backend->shutdown(); });
  guarded([&] { delete group; });
}

int dist_all_reduce(dist_group *group, dist_tensor inout, int op, dist_work **out) {
  return started(out, [&] {
    std::vector<at::Tensor> tensors{tensor(inout)};
    c10d::AllreduceOptions options;
    options.reduceOp = reduce_op(op);
    return group->backend->allreduce(tensors, options);
  });
}

int dist_reduce(dist_group *group, dist_tensor inout, int root, int op, dist_work **out) {
  return started(out, [&] {
    std::vector<at::Tensor> tensors{tensor(inout)};
    c10d::ReduceOptions options;
    options.reduceOp = reduce_op(op);
    options.rootRank = root;
    return group->backend->reduce(tensors, options);
  });
}

int dist_broadcast(dist_group *group, dist_tensor inout, int root, dist_work **out) {
  return started(out, [&] {
    std::vector<at::Tensor> tensors{tensor(inout)};
    c10d::BroadcastOptions options;
    options.rootRank = root;
    return group->backend->broadcast(tensors, options);
  });
}

int dist_reduce_scatter(dist_group *group, dist_tensor output, dist_tensor input, int op, dist_work **out) {
  return started(out, [&] {
    c10d::ReduceScatterOptions options;
    options.reduceOp = reduce_op(op);
    return group->backend->_reduce_scatter_base(tensor(output), tensor(input), options);
  });
}

int dist_all_gather(dist_group *group, dist_tensor output, dist_tensor input, dist_work **out) {
  return started(out, [&] { return group->backend->_allgather_base(tensor(output), tensor(input)); });
}

int dist_barrier(dist_group *group, dist_work **out) {
  return started(out, [&] { return group->backend->barrier(); });
}

int dist_work_wait(dist_work *work) {
  const int status = guarded([&] { TORCH_CHECK(work->work->wait(), "the collective was given up"); });
  // The words of `wait` are the ones to keep.
  const std::string words = failure;
  guarded([&] { delete work; });
  failure = words;
  return status;
}
