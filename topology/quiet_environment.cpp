#include "topology/quiet_environment.h"

#include <unistd.h>

#include <cstring>
#include <memory>
#include <vector>

namespace yard {
namespace {

// Arrays are kept, since another thread may still be reading one; an unchanged environment uses the last one again.
char** keep(std::vector<char*> environment) {
  static auto* kept = new std::vector<std::unique_ptr<std::vector<char*>>>;  // never destroyed: environ may point there
  if (kept->empty() || *kept->back() != environment)
    kept->push_back(std::make_unique<std::vector<char*>>(std::move(environment)));
  return kept->back()->data();
}

}  // namespace

QuietEnvironment::QuietEnvironment(const char* without, std::initializer_list<const char*> with) : saved_(environ) {
  std::vector<char*> filtered;
  for (char** at = environ; at && *at; ++at)
    if (std::strncmp(*at, without, std::strlen(without)) != 0) filtered.push_back(*at);
  for (const char* variable : with) filtered.push_back(const_cast<char*>(variable));  // environ's type; nobody writes
  filtered.push_back(nullptr);
  environ = keep(std::move(filtered));
}

QuietEnvironment::~QuietEnvironment() { environ = saved_; }

}  // namespace yard
