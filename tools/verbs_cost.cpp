// cost: what steps take, cost and draw, and how near that comes to what was measured.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "scheduler/base/input_error.h"
#include "scheduler/base/output_file.h"
#include "scheduler/cost/deployment_rows.h"
#include "scheduler/cost/kernel_table_text.h"
#include "scheduler/cost/plot.h"
#include "scheduler/cost/predict.h"
#include "scheduler/validate/cost_data.h"
#include "scheduler/validate/costs.h"
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
      if (!claim.coverage)
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

// ---- predict, explain -----------------------------------------------------------------------------------------------

struct PredictFlags {
  std::string model, chip, engine = "vllm", precision = "native", kv = "bf16", measured;
  std::uint64_t tp = 1, dp = 1, pp = 1, ep = 1, sequences = 32, prompt = 1024, output = 256;
  bool json = false;
};

std::size_t one_of(std::span<const std::string_view> names, const std::string& word, const char* flag) {
  const auto at = std::ranges::find(names, std::string_view(word));
  if (at == names.end())
    throw yard::InputError("", 0, flag, "found '" + yard::printable(word) + "'", "accepted: " + yard::listed(names));
  return static_cast<std::size_t>(at - names.begin());
}

yard::Prediction predicted(const PredictFlags& flags) {
  using yard::Precision;
  yard::Deployment d;
  d.model = yard::builtin_model_cards().find(flags.model);
  if (!d.model)
    throw yard::InputError("", 0, "--model", "found '" + yard::printable(flags.model) + "'",
                           fmt::format("accepted: a model with a card, nearest is '{}'",
                                       yard::nearest(flags.model, yard::builtin_model_cards().ids())));
  d.chip = yard::builtin_catalogue().find(flags.chip);
  if (!d.chip)
    throw yard::InputError("", 0, "--accelerator", "found '" + yard::printable(flags.chip) + "'",
                           fmt::format("accepted: a chip of the catalogue, nearest is '{}'",
                                       yard::nearest(flags.chip, yard::builtin_catalogue().ids())));
  d.engine = static_cast<yard::Engine>(one_of(yard::kEngines, flags.engine, "--engine"));
  constexpr std::array<std::string_view, 6> kNames = {"native", "bf16", "fp8", "int8", "mxfp4", "int4"};
  constexpr std::array<Precision, 6> kIs = {Precision::bf16, Precision::bf16, Precision::fp8,
                                            Precision::int8, Precision::fp4,  Precision::int4};
  const std::size_t weights = one_of(kNames, flags.precision, "--precision");
  d.weights = weights == 0 ? d.model->weights : kIs[weights];
  d.expert_weights = weights == 0 ? d.model->expert_weights : kIs[weights];
  d.kv = kIs[one_of(kNames, flags.kv, "--kv-precision")];
  d.tp = static_cast<std::uint32_t>(flags.tp), d.dp = static_cast<std::uint32_t>(flags.dp);
  d.pp = static_cast<std::uint32_t>(flags.pp), d.ep = static_cast<std::uint32_t>(flags.ep);
  const yard::Steady steady{static_cast<double>(flags.sequences), static_cast<double>(flags.prompt),
                            static_cast<double>(flags.output)};
  const yard::Calibration calibration = yard::Calibration::published();
  if (flags.measured.empty()) return yard::predict(d, steady, calibration);
  const yard::DeploymentRows rows =
      yard::read_deployments(yard::CsvTable(flags.measured, yard::read_text(flags.measured)));
  if (rows.rows.empty())
    throw yard::InputError(flags.measured, 0, "--measured", "found no row that can be used",
                           "accepted: rows as scheduler/cost/deployment_rows.h has them, mode agg");
  const yard::Relatives relatives(rows.rows, calibration);
  return yard::predict(d, steady, calibration, &relatives);
}

void add_cost_predict(CLI::App& cost, Action& action, const char* name, const char* what,
                      std::string (*text)(const yard::Prediction&)) {
  auto flags = std::make_shared<PredictFlags>();
  CLI::App* verb = cost.add_subcommand(name, what);
  verb->footer(
      fmt::format("examples:\n  switchyard cost {0} --model llama-3.1-70b --accelerator h100-sxm --tp 4\n"
                  "  switchyard cost {0} --model deepseek-v3 --accelerator b200-sxm --tp 8 --ep 8 --precision fp8 "
                  "--sequences 128 --json",
                  name));
  verb->add_option("--model", flags->model, "a model with a card (switchyard models)")->required();
  verb->add_option("--accelerator", flags->chip, "a chip (switchyard accelerators)")->required();
  verb->add_option("--engine", flags->engine, "vllm, sglang, trtllm")->capture_default_str();
  verb->add_option("--precision", flags->precision, "of weights: native, bf16, fp8, int8, mxfp4, int4")
      ->capture_default_str();
  verb->add_option("--kv-precision", flags->kv, "of the KV cache")->capture_default_str();
  add_whole(*verb, "--tp", flags->tp, "tensor-parallel ranks", 1, 1024);
  add_whole(*verb, "--dp", flags->dp, "attention's data-parallel replicas", 1, 1024);
  add_whole(*verb, "--pp", flags->pp, "pipeline stages", 1, 1024);
  add_whole(*verb, "--ep", flags->ep, "ranks over which whole experts are placed", 1, 1024);
  verb->add_option("--measured", flags->measured, "measured deployments, CSV: the nearest speak for this one")
      ->type_name("FILE");
  add_whole(*verb, "--sequences", flags->sequences, "at once", 1, 1 << 20);
  add_whole(*verb, "--prompt", flags->prompt, "tokens of each prompt", 1, 1 << 20);
  add_whole(*verb, "--output", flags->output, "tokens of each answer", 1, 1 << 20);
  verb->add_flag("--json", flags->json, "for programs");
  verb->callback([flags, text, &action] {
    action = [flags, text] {
      const yard::Prediction p = predicted(*flags);
      write("-", flags->json ? yard::prediction_json(p) : text(p));
      return kDone;
    };
  });
}

// ---- import, fit ----------------------------------------------------------------------------------------------------

struct TableFlags {
  std::string table, family, chip, out;
  std::uint64_t seed = 1;
};

yard::KernelRows rows_of(const TableFlags& flags, const yard::Accelerator& chip, yard::KernelFamily family) {
  return yard::read_kernel_rows(yard::CsvTable(flags.table, yard::read_text(flags.table)), family, chip);
}

std::string refusals_text(const yard::KernelRows& rows) {
  std::string text = fmt::format("{} rows taken, {} refused\n", rows.rows.size(), rows.refused.rows());
  for (const auto& reason : rows.refused.reasons()) {
    text += fmt::format("refused {} rows, {}:", reason.rows, reason.what);
    for (const std::string& offender : reason.first) text += " [" + offender + "]";
    text += "\n";
  }
  return text;
}

int on_table(const TableFlags& flags, bool fits) {
  const auto family = static_cast<yard::KernelFamily>(one_of(yard::kKernelFamilies, flags.family, "--family"));
  const yard::Accelerator* chip = yard::builtin_catalogue().find(flags.chip);
  if (!chip)
    throw yard::InputError("", 0, "--accelerator", "found '" + yard::printable(flags.chip) + "'",
                           fmt::format("accepted: a chip of the catalogue, nearest is '{}'",
                                       yard::nearest(flags.chip, yard::builtin_catalogue().ids())));
  const yard::KernelRows rows = rows_of(flags, *chip, family);
  std::string text = refusals_text(rows);
  if (fits) {
    if (rows.rows.empty())
      throw yard::InputError(flags.table, 0, "", "found no row that can be used", "see switchyard cost import");
    const yard::KernelFit fit = yard::best_fit(rows.rows, *chip, yard::SplitBy::point, flags.seed);
    const yard::KernelTable table = yard::fit_kernels(rows.rows, *chip, fit);
    std::size_t nodes = 0;
    for (const yard::KernelGrid& grid : table.grids()) nodes += grid.nodes();
    text += fmt::format("{} categories, {} nodes, table {:016x}\n", table.grids().size(), nodes, table.hash());
    if (!flags.out.empty()) write(flags.out, yard::kernel_table_text(table));
  }
  write("-", text);
  return kDone;
}

void add_cost_table(CLI::App& cost, Action& action, const char* name, const char* what, bool fits) {
  auto flags = std::make_shared<TableFlags>();
  CLI::App* verb = cost.add_subcommand(name, what);
  verb->footer(fmt::format("examples:\n  switchyard cost {} gemm_perf.csv.gz --family gemm --accelerator h200-sxm{}",
                           name, fits ? " --out gemm.table" : ""));
  verb->add_option("table", flags->table, "measured kernels, CSV, gzip or not")->type_name("FILE")->required();
  verb->add_option("--family", flags->family, yard::listed(yard::kKernelFamilies))->required();
  verb->add_option("--accelerator", flags->chip, "the chip that was measured")->required();
  if (fits) {
    verb->add_option("--out", flags->out, "a file for the dense integer table")->type_name("FILE");
    add_whole(*verb, "--seed", flags->seed, "of the split on which the fit is chosen");
  }
  verb->callback([flags, fits, &action] { action = [flags, fits] { return on_table(*flags, fits); }; });
}

}  // namespace

void add_cost(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand("cost", "what steps cost, and how near that comes to what was measured");
  verb->require_subcommand(1);
  verb->footer(
      "examples:\n  switchyard cost explain --model llama-3.1-70b --accelerator h100-sxm --tp 4\n"
      "  switchyard cost validate ../shared/data");
  add_cost_predict(*verb, action, "predict", "seconds, joules and dollars of a deployment in a steady state",
                   yard::prediction_text);
  add_cost_predict(*verb, action, "explain", "the same, each term's share, and what dominates",
                   yard::prediction_explained);
  add_cost_table(*verb, action, "import", "reads measured kernels, and says which rows it refuses", false);
  add_cost_table(*verb, action, "fit", "makes a dense integer table of measured kernels", true);
  add_cost_validate(*verb, action);
}
