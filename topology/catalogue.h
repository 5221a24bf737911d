// What is known of each kind of accelerator: facts from vendors' documents, and beside them what is merely assumed.
//
// Values of integers in plain units, as accelerators.yaml says them; zero where a figure is not known. `assumed` fields
// are filled for every chip, and where a fact is missing (idle_w, tdp_w, price) the stand-in is in the fact's place and
// its key is listed in `stand_ins`.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/base/units.h"

namespace yard {

struct Accelerator {
  std::string id, vendor, name, kind;  // kind: gpu, tpu, neuron, maia
  std::vector<std::string> aliases;
  std::int32_t year = 0;

  // Dense peaks per second of one chip.
  std::int64_t bf16_flops = 0, fp8_flops = 0, int8_ops = 0, fp4_flops = 0;
  std::int64_t memory_bytes = 0, memory_bytes_per_s = 0;
  std::int64_t scale_up_bytes_per_s = 0;  // into or out of one chip, all links together
  std::int32_t scale_up_domain = 0;       // chips; 1: no such fabric
  std::int64_t host_link_bytes_per_s = 0, scale_out_bytes_per_s = 0;
  Milliwatts tdp, idle;
  NanoDollars per_hour;

  // Assumed, see the head of accelerators.yaml.
  std::int32_t mfu_thousandths = 0, mbu_thousandths = 0, link_thousandths = 0;  // of the peaks above
  Duration per_step, per_layer, per_sequence, per_allreduce;

  std::vector<std::string> unverified;  // keys not to be trusted without a check
  std::vector<std::string> stand_ins;   // keys whose figure above is assumed, since none is published
  std::string price_source, source, notes;
};

struct Catalogue {
  std::vector<Accelerator> accelerators;  // in the file's order

  // By id or alias, letters' case ignored. Returns: null where there is none.
  const Accelerator* find(std::string_view name) const;
  std::vector<std::string_view> ids() const;
};

// Errors: InputError naming file, line and key.
Catalogue read_catalogue(const std::string& file, std::string_view text);

// The one compiled in. It is read once; a fault in it is a bug.
const Catalogue& builtin_catalogue();

}  // namespace yard
