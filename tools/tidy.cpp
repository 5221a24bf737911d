// tidy [ROOT]: checks every source file under ROOT (default: here) against the house rules of tidy_rules.h.
// Exits with 0 where all hold, 1 where one is broken, 2 where ROOT cannot be read.
#include <fmt/format.h>

#include <exception>

#include "tools/tidy_repository.h"

int main(int argc, char** argv) {
  try {
    const auto report = yard::tidy::check_repository(argc > 1 ? argv[1] : ".");
    for (const auto& finding : report.findings) fmt::print("{}\n", to_line(finding));
    fmt::print("tidy: {} files, {} findings\n", report.files, report.findings.size());
    return report.findings.empty() ? 0 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "tidy: {}\n", error.what());
    return 2;
  }
}
