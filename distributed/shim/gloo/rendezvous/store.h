// What torch's GlooStore overrides. The shim makes none; the names must be there for its header to compile.
#pragma once
#include <chrono>
#include <string>
#include <vector>
namespace gloo::rendezvous {
struct Store {
  virtual ~Store();
  virtual void set(const std::string&, const std::vector<char>&) = 0;
  virtual std::vector<char> get(const std::string&) = 0;
  virtual void wait(const std::vector<std::string>&) = 0;
  virtual void wait(const std::vector<std::string>&, const std::chrono::milliseconds&) = 0;
};
}  // namespace gloo::rendezvous
