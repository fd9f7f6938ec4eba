// Devices and buffers are held by pointers alone in torch's ProcessGroupGloo.hpp.
#pragma once
namespace gloo::transport {
class Device;
struct UnboundBuffer {
  virtual ~UnboundBuffer();
};
}  // namespace gloo::transport
