// For the length of a scope, the process's environment without the variables of one library, and with others instead.
//
// It swaps `environ` for a filtered copy: the strings are shared and the array outlives the swap, so a getenv in
// another thread sees one whole environment or the other. A setenv in another thread meanwhile is lost: none may run.
#pragma once
#include <initializer_list>

namespace yard {

class QuietEnvironment {
 public:
  // without: prefix of the variables to hide. with: "NAME=value" strings that live for ever.
  QuietEnvironment(const char* without, std::initializer_list<const char*> with);
  ~QuietEnvironment();
  QuietEnvironment(const QuietEnvironment&) = delete;
  QuietEnvironment& operator=(const QuietEnvironment&) = delete;

 private:
  char** saved_;
};

}  // namespace yard
