// Lets a parser that is not ours meet hostile input where it can do no harm: in a forked child.
//
// hwloc 2.9 follows null pointers and fails assertions on some malformed XML (a random byte changed: 4 % of files). The
// child is silent, has 10 s of CPU and 4 GiB, and ends by _exit; whatever happens to it comes back as a line of text.
#pragma once
#include <functional>
#include <string>

namespace yard {

// Runs `work` in a child. Returns: "" when it returned "", else its text or what became of the child; at most 500
// bytes. Threads: any; the child runs `work` alone.
std::string trial(const std::function<std::string()>& work);

}  // namespace yard
