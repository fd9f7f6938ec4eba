// NCCL without CUDA's headers. ProcessGroupNCCL is used through its base class, c10d::Backend, whose header every libtorch
// has; only its two constructors have to be found, and libtorch_cuda.so exports them. They run in zeroed memory with room to
// spare, which the objects' virtual destructors give back. So one build serves machines with and without GPUs.
#include "nccl.h"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace distributed {
namespace {

// Stands for ProcessGroupNCCL::Options, so that pointers to it are passed as those are.
struct NcclOptions : c10d::Backend::Options {
  using c10d::Backend::Options::Options;
};

using ConstructOptions = void (*)(void *, bool high_priority);
using ConstructGroup = void (*)(void *, c10::intrusive_ptr<c10d::Store>, int, int, c10::intrusive_ptr<NcclOptions>);

constexpr const char *OPTIONS = "_ZN4c10d16ProcessGroupNCCL7OptionsC1Eb";
constexpr const char *GROUP =
    "_ZN4c10d16ProcessGroupNCCLC1EN3c1013intrusive_ptrINS_5StoreENS1_6detail34intrusive_target_default_null_typeIS3_"
    "EEEEiiNS2_INS0_7OptionsENS5_IS8_EEEE";

// Either class takes a few KiB.
constexpr size_t ROOM = size_t(1) << 16;

void *symbol(const char *name) {
  static void *library = dlopen("libtorch_cuda.so", RTLD_LAZY | RTLD_GLOBAL);
  TORCH_CHECK(library, "this libtorch has no NCCL: libtorch_cuda.so cannot be loaded");
  void *found = dlsym(library, name);
  TORCH_CHECK(found, "this libtorch has another NCCL: libtorch_cuda.so lacks ", name);
  return found;
}

template <typename T, typename Construct>
c10::intrusive_ptr<T> construct_in_room(Construct &&construct) {
  void *room = ::operator new(ROOM, std::align_val_t(64));
  std::memset(room, 0, ROOM);
  try {
    construct(room);
  } catch (...) {
    ::operator delete(room, std::align_val_t(64));
    throw;
  }
  return c10::intrusive_ptr<T>::unsafe_steal_from_new(static_cast<T *>(room));
}

}  // namespace

c10::intrusive_ptr<c10d::Backend> make_nccl(c10::intrusive_ptr<c10d::Store> store, int rank, int size,
                                            const std::string &name, std::chrono::milliseconds timeout) {
  // Read by the constructor. A watchdog would end the process where a peer is lost, and torchrun asks for one; like this
  // there is none, and waiting throws.
  setenv("TORCH_NCCL_BLOCKING_WAIT", "1", 1);
  setenv("TORCH_NCCL_ASYNC_ERROR_HANDLING", "0", 1);
  const auto construct_options = reinterpret_cast<ConstructOptions>(symbol(OPTIONS));
  const auto construct_group = reinterpret_cast<ConstructGroup>(symbol(GROUP));
  // Never freed: as an NcclOptions it would go back with another size than it came with. It is small, and there once a group.
  auto &options = *new c10::intrusive_ptr<NcclOptions>(
      construct_in_room<NcclOptions>([&](void *room) { construct_options(room, false); }));
  options->timeout = timeout;
  options->group_name = name;
  return construct_in_room<c10d::Backend>(
      [&](void *room) { construct_group(room, std::move(store), rank, size, options); });
}

}  // namespace distributed
