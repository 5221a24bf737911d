// validate: recorded runs of real engines through simulated ones, and how near they come.
#include <algorithm>
#include <memory>

#include "scheduler/base/input_error.h"
#include "scheduler/base/output_file.h"
#include "scheduler/validate/vllm_runs.h"
#include "tools/verbs.h"

namespace {

struct ValidateFlags {
  std::string folder;
  std::vector<std::string> without;
  bool json = false, step = false;
};

yard::EngineParts parts_of(const ValidateFlags& flags) {
  yard::EngineParts parts;
  for (const std::string& name : flags.without) {
    const auto at = std::ranges::find(yard::kEngineParts, std::string_view(name));
    if (at == yard::kEngineParts.end())
      throw yard::InputError("", 0, "--without", "found '" + yard::printable(name) + "'",
                             "accepted: " + yard::listed(yard::kEngineParts));
    part(parts, static_cast<std::size_t>(at - yard::kEngineParts.begin())) = false;
  }
  return parts;
}

int validate_vllm(const ValidateFlags& flags) {
  const yard::EngineParts parts = parts_of(flags);
  std::vector<yard::Validation> all;
  for (const yard::VllmRun& run : yard::read_vllm_runs(flags.folder))
    all.push_back(yard::validate(run, parts, flags.step ? yard::Exact::step : yard::Exact::jump));
  yard::OutputFile out("-");
  out.write(flags.json ? yard::validation_json(all) : yard::validation_text(all));
  out.commit();
  return kDone;
}

}  // namespace

void add_validate(CLI::App& app, Action& action) {
  auto flags = std::make_shared<ValidateFlags>();
  CLI::App* verb = app.add_subcommand("validate", "recorded runs of real engines beside their simulation");
  verb->require_subcommand(1);
  verb->footer("examples:\n  switchyard validate vllm bench/examples --json");
  CLI::App* vllm = verb->add_subcommand(
      "vllm", "TTFT, TPOT and E2E of vLLM runs as LLMServingSim records them: real, simulated, relative error");
  vllm->footer(
      "examples:\n  switchyard validate vllm bench/examples\n"
      "  switchyard validate vllm bench/examples/RTX4090/Llama-3.1-8B --without skew,prefix_cache");
  vllm->add_option("folder", flags->folder, "a run (vllm/, profile/, config.json), or a folder of runs")
      ->type_name("FOLDER")
      ->required();
  vllm->add_option("--without", flags->without, "leaves out, to see its worth: " + yard::listed(yard::kEngineParts))
      ->type_name("PART")
      ->delimiter(',');
  vllm->add_flag("--step", flags->step, "one step at a time: the same result");
  vllm->add_flag("--json", flags->json, "for programs");
  vllm->callback([flags, &action] { action = [flags] { return validate_vllm(*flags); }; });
}
