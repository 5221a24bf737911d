// load_plugin PATH: loads the plug-in, lets it answer and unloads it, twice. No thread of it, no file and none of its
// code may be left.
#include <dlfcn.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

namespace {

long entries(const char* folder) {
  return std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator());
}

bool is_mapped(const std::string& path) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.ends_with(path)) return true;
  return false;
}

// A joined thread's entry goes a moment after the join.
bool comes_back_to(long threads) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (entries("/proc/self/task") != threads) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace

int main(int, char** arguments) {
  const std::string path = std::filesystem::canonical(arguments[1]).string();
  for (int round = 0; round < 2; ++round) {
    const long threads = entries("/proc/self/task"), files = entries("/proc/self/fd");
    void* plugin = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (plugin == nullptr) return std::printf("%s\n", ::dlerror()), 1;
    auto* answer = reinterpret_cast<int (*)()>(::dlsym(plugin, "answer"));
    if (answer == nullptr || answer() != 5) return std::printf("no answer in round %d\n", round), 1;
    if (!comes_back_to(threads)) return std::printf("a thread is left after round %d\n", round), 1;
    if (::dlclose(plugin) != 0) return std::printf("%s\n", ::dlerror()), 1;
    if (is_mapped(path)) return std::printf("the plug-in is still there after round %d\n", round), 1;
    if (entries("/proc/self/fd") != files) return std::printf("a file is left open after round %d\n", round), 1;
  }
  std::printf("unloaded\n");
}
