#include "topology/catalogue.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "scheduler/base/input_error.h"
#include "scheduler/yaml/field.h"
#include "scheduler/yaml/names.h"

namespace yard {
namespace embedded {
extern const std::string_view accelerators_yaml;
}

namespace {

using yaml::Field;

constexpr std::int64_t kGib = std::int64_t{1} << 30;

// Returns: the key's decimal in thousandths, 0 where absent.
std::int64_t thousandths(const Field& entry, std::string_view key, std::int64_t most_units) {
  const auto field = entry.get(key);
  return field ? field->decimal(3, 0, most_units * 1000) : 0;
}

// One power or price: the fact where there is one, the stand-in otherwise, and then listed as such.
std::int64_t fact_or_stand_in(const Field& entry, const Field& assumed, std::string_view key, int digits,
                              std::int64_t most, std::vector<std::string>& stand_ins) {
  if (const auto fact = entry.get(key)) return fact->decimal(digits, 0, most);
  const auto stand_in = assumed.get(key);
  if (!stand_in) return 0;
  stand_ins.emplace_back(key);
  return stand_in->decimal(digits, 0, most);
}

void read_rates(const Field& entry, Accelerator& chip) {
  constexpr std::int64_t kMostTflops = 1'000'000, kMostGbs = 1'000'000;
  chip.bf16_flops = thousandths(entry, "bf16_tflops", kMostTflops) * 1'000'000'000;
  chip.fp8_flops = thousandths(entry, "fp8_tflops", kMostTflops) * 1'000'000'000;
  chip.int8_ops = thousandths(entry, "int8_tflops", kMostTflops) * 1'000'000'000;
  chip.fp4_flops = thousandths(entry, "fp4_tflops", kMostTflops) * 1'000'000'000;
  chip.memory_bytes = entry.need("memory_gib").decimal(3, 1, 1'000'000'000) * kGib / 1000;
  chip.memory_bytes_per_s = entry.need("memory_bandwidth_gb_s").decimal(3, 1, kMostGbs * 1000) * 1'000'000;
  chip.scale_up_bytes_per_s = thousandths(entry, "scale_up_link_gb_s", kMostGbs) * 1'000'000;
  chip.host_link_bytes_per_s = thousandths(entry, "host_link_gb_s", kMostGbs) * 1'000'000;
  chip.scale_out_bytes_per_s = thousandths(entry, "scale_out_gb_s", kMostGbs) * 1'000'000;
  if (const auto domain = entry.get("scale_up_domain"))
    chip.scale_up_domain = static_cast<std::int32_t>(domain->integer(1, 1'000'000));
}

void read_assumed(const Field& entry, Accelerator& chip) {
  const Field assumed = entry.need("assumed");
  assumed.only({"mfu", "mbu", "step_us", "layer_us", "sequence_us", "allreduce_us", "link_efficiency", "tdp_w",
                "idle_w", "price_usd_per_hour"});
  const auto share = [&](std::string_view key) {
    return static_cast<std::int32_t>(assumed.need(key).decimal(3, 1, 1000));
  };
  const auto time = [&](std::string_view key) { return Duration(assumed.need(key).decimal(3, 0, 1'000'000'000)); };
  chip.mfu_thousandths = share("mfu");
  chip.mbu_thousandths = share("mbu");
  chip.link_thousandths = share("link_efficiency");
  chip.per_step = time("step_us");
  chip.per_layer = time("layer_us");
  chip.per_sequence = time("sequence_us");
  chip.per_allreduce = time("allreduce_us");
  constexpr std::int64_t kMostMilliwatts = 100'000'000, kMostNanoDollars = 100'000'000'000'000;
  chip.tdp = Milliwatts(fact_or_stand_in(entry, assumed, "tdp_w", 3, kMostMilliwatts, chip.stand_ins));
  chip.idle = Milliwatts(fact_or_stand_in(entry, assumed, "idle_w", 3, kMostMilliwatts, chip.stand_ins));
  chip.per_hour =
      NanoDollars(fact_or_stand_in(entry, assumed, "price_usd_per_hour", 9, kMostNanoDollars, chip.stand_ins));
  if (chip.tdp < chip.idle) entry.need("assumed").refuse("found more watts at rest than tdp_w", "correct one of them");
}

Accelerator read_accelerator(const Field& entry) {
  entry.only({"id",
              "aliases",
              "vendor",
              "name",
              "kind",
              "year",
              "bf16_tflops",
              "fp8_tflops",
              "int8_tflops",
              "fp4_tflops",
              "memory_gib",
              "memory_bandwidth_gb_s",
              "scale_up_link_gb_s",
              "scale_up_domain",
              "host_link_gb_s",
              "scale_out_gb_s",
              "tdp_w",
              "idle_w",
              "price_usd_per_hour",
              "price_source",
              "unverified",
              "source",
              "notes",
              "assumed"});
  constexpr std::array<std::string_view, 4> kKinds = {"gpu", "tpu", "neuron", "maia"};
  Accelerator chip;
  chip.id = entry.need("id").name();
  chip.aliases = entry.texts("aliases");
  chip.vendor = entry.need("vendor").text();
  chip.name = entry.need("name").text();
  chip.kind = kKinds[entry.need("kind").one_of(kKinds)];
  if (const auto year = entry.get("year")) chip.year = static_cast<std::int32_t>(year->integer(1990, 2100));
  read_rates(entry, chip);
  read_assumed(entry, chip);
  chip.unverified = entry.texts("unverified");
  chip.price_source = entry.text_or_empty("price_source");
  chip.source = entry.need("source").text();
  chip.notes = entry.text_or_empty("notes");
  return chip;
}

}  // namespace

const Accelerator* Catalogue::find(std::string_view name) const { return find_by_name(accelerators, name); }

std::vector<std::string_view> Catalogue::ids() const {
  std::vector<std::string_view> all;
  for (const auto& chip : accelerators) all.push_back(chip.id);
  return all;
}

Catalogue read_catalogue(const std::string& file, std::string_view text) {
  const yaml::Document document = yaml::parse(file, text);
  const Field root(document);
  root.only({"accelerators"});
  Catalogue catalogue;
  for (const Field& entry : root.need("accelerators").items(1000)) {
    Accelerator chip = read_accelerator(entry);
    const auto refuse_twice = [&](const std::string& name) {
      if (catalogue.find(name)) entry.refuse(fmt::format("found '{}' twice", printable(name)), "name each chip once");
    };
    refuse_twice(chip.id);
    for (const auto& alias : chip.aliases) refuse_twice(alias);
    catalogue.accelerators.push_back(std::move(chip));
  }
  return catalogue;
}

const Catalogue& builtin_catalogue() {
  static const Catalogue catalogue = read_catalogue("accelerators.yaml", embedded::accelerators_yaml);
  return catalogue;
}

}  // namespace yard
