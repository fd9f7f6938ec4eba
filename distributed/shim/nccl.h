#pragma once
#include <chrono>
#include <string>
#include <torch/csrc/distributed/c10d/Backend.hpp>

namespace distributed {
// torch's NCCL backend out of libtorch_cuda.so; throws c10::Error where there is no such library or no GPU.
c10::intrusive_ptr<c10d::Backend> make_nccl(c10::intrusive_ptr<c10d::Store> store, int rank, int size,
                                            const std::string &name, std::chrono::milliseconds timeout);
}  // namespace distributed
