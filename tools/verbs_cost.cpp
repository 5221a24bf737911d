// cost: what steps take, cost and draw, and how near that comes to what was measured.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "scheduler/base/input_error.h"
#include "scheduler/base/output_file.h"
#include "scheduler/cost/plot.h"
#include "scheduler/validate_costs.h"
#include "tools/verbs.h"
#include "tools/words.h"

namespace {

struct ValidateFlags {
  yard::CostClaims claims;
  std::vector<std::string> only;
  std::string plots;
  bool json = false;
};

void write(const std::string& path, const std::string& text) {
  yard::OutputFile out(path);
  out.write(text);
  out.commit();
}

std::string file_name(std::string_view what) {
  std::string name;
  for (const char c : what)
    name += (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ? c : '-';
  return name + ".svg";
}

int validate(const ValidateFlags& flags) {
  std::vector<std::string_view> names;
  for (const auto& known : yard::kCostClaims) names.push_back(known.name);
  for (const std::string& name : flags.only)
    if (std::ranges::find(names, std::string_view(name)) == names.end())
      throw yard::InputError("", 0, "--only", "found '" + yard::printable(name) + "'",
                             "accepted: " + yard::listed(names));
  std::vector<yard::Claim> all;
  for (const auto& known : yard::kCostClaims) {
    if (!flags.only.empty() && std::ranges::find(flags.only, known.name) == flags.only.end()) continue;
    for (yard::Claim& claim : known.make(flags.claims)) all.push_back(std::move(claim));
  }
  if (!flags.plots.empty()) {
    std::error_code no;
    std::filesystem::create_directories(flags.plots, no);
    for (const yard::Claim& claim : all)
      write(flags.plots + "/" + file_name(claim.what), yard::plot_svg(claim.what, claim.unit, claim.errors.pairs()));
  }
  write("-", flags.json ? yard::claims_json(all, flags.claims.seed) : yard::claims_text(all, flags.claims.seed));
  return kDone;
}

void add_cost_validate(CLI::App& cost, Action& action) {
  auto flags = std::make_shared<ValidateFlags>();
  if (const char* folder = std::getenv("SWITCHYARD_DATA_DIR")) flags->claims.folder = folder;
  CLI::App* verb = cost.add_subcommand("validate", "predictions beside what was measured, claim by claim");
  std::string names;
  for (const auto& known : yard::kCostClaims) names += fmt::format("\n  {:<12}{}", known.name, known.meaning);
  verb->footer("claims (--only):" + names +
               "\nreal vLLM runs through the simulator: switchyard validate vllm FOLDER\n"
               "examples:\n  switchyard cost validate ../shared/data\n"
               "  switchyard cost validate ../shared/data --only operators --seed 2 --plots plots");
  verb->add_option("folder", flags->claims.folder, "the public data; else SWITCHYARD_DATA_DIR, else ../shared/data")
      ->type_name("DATA_DIR");
  add_whole(*verb, "--seed", flags->claims.seed, "of the splits");
  verb->add_option("--only", flags->only, "these claims")->type_name("NAME")->delimiter(',');
  verb->add_option("--plots", flags->plots, "a folder for a picture (SVG) of each claim")->type_name("FOLDER");
  verb->add_flag("--json", flags->json, "for programs");
  verb->callback([flags, &action] { action = [flags] { return validate(*flags); }; });
}

}  // namespace

void add_cost(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand("cost", "what steps cost, and how near that comes to what was measured");
  verb->require_subcommand(1);
  verb->footer("examples:\n  switchyard cost validate ../shared/data");
  add_cost_validate(*verb, action);
}
