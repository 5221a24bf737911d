// The `switchyard` program: verbs and global flags; what they do is in the library.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>

#include <fmt/format.h>

#include "scheduler/base/input_error.h"
#include "tools/verbs.h"
#include "tools/words.h"

namespace {

constexpr const char* kExamples =
    "examples:\n"
    "  switchyard replay --trace gen:azure-conv --fleet builtin:mixed\n"
    "  switchyard replay --trace day.csv --fleet fleet.yaml --policy least_loaded --json report.json\n"
    "  switchyard replay --reenact shard0.rec\n"
    "  switchyard explain shard0.rec --row 7\n"
    "  switchyard trace gen gen:azure-code --limit 1000 --out code.csv\n"
    "  switchyard fleet check fleet.yaml\n"
    "exit codes: 0 done, 1 a bug of ours or a re-enactment that differs, 2 bad input or usage";

int run(int argc, char** argv) {
  CLI::App app(
      "Switchyard: puts every inference request on the accelerator where it costs least and still arrives in time.",
      "switchyard");
  app.footer(kExamples);
  app.set_version_flag("--version", std::string("switchyard ") + SWITCHYARD_VERSION);
  app.require_subcommand(1);
  Action action;
  add_replay(app, action);
  add_explain(app, action);
  add_looks(app, action);
  add_validate(app, action);
  add_cost(app, action);
  try {
    app.parse(argc, argv);
    return action();
  } catch (const CLI::Success& e) {
    return app.exit(e);  // --help, --version
  } catch (const CLI::ParseError& e) {
    fmt::print(stderr, "switchyard: {}\n", explained(app, argc, argv, e));
    return kBadInput;
  } catch (const yard::InputError& e) {
    fmt::print(stderr, "switchyard: {}\n", e.what());
    return kBadInput;
  }
}

// Returns: `code`, or what it is where a part of the answer could not be written.
int flushed(int code) {
  if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return code;
  if (code == kDone) std::fputs("switchyard: standard output: cannot be written to its end; check the disk\n", stderr);
  return code == kDone ? kBadInput : code;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGABRT, [](int) { ::_exit(kBug); });  // a CHECK that failed has said so
  try {
    return flushed(run(argc, argv));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "switchyard: bug: %s\n", e.what());
    return kBug;
  }
}
