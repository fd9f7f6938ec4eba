// Contexts are held by shared pointers in torch's ProcessGroupGloo.hpp, and told their timeout in an inline function.
#pragma once
#include <chrono>
namespace gloo {
struct Context {
  void setTimeout(std::chrono::milliseconds);
};
}  // namespace gloo
