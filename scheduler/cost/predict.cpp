#include "scheduler/cost/predict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "scheduler/base/input_error.h"
#include "scheduler/cost/json.h"
#include "scheduler/cost/physics.h"
#include "scheduler/cost/show_table.h"

namespace yard {
namespace {

double seconds(Picoseconds p) { return static_cast<double>(p.count()) / 1e12; }
double ms(Picoseconds p) { return static_cast<double>(p.count()) / 1e9; }
double watts(Milliwatts p) { return static_cast<double>(p.count()) / 1e3; }

void refuse_what_cannot_be(const Deployment& d) {
  const Replica replica = replica_of(d);
  if (const Refusal no = refusal_of(replica); no.any()) throw InputError("", 0, "--tp", no.found, no.remedy);
  if (d.ep > d.tp * d.dp)
    throw InputError("", 0, "--ep", fmt::format("found {} ranks for experts", d.ep),
                     fmt::format("accepted: at most tp x dp, {}", d.tp * d.dp));
  if (d.ep > 1 && (d.model->experts == 0 || static_cast<std::uint32_t>(d.model->experts) % d.ep != 0))
    throw InputError("", 0, "--ep", fmt::format("found {} ranks for {} experts", d.ep, d.model->experts),
                     "accepted: a divisor of the model's experts");
  if (d.pp > static_cast<std::uint32_t>(d.model->layers))
    throw InputError("", 0, "--pp", fmt::format("found {} stages for {} layers", d.pp, d.model->layers),
                     "accepted: at most layers");
}

// Where the largest terms point.
std::string_view bound_by(Term term) {
  switch (term) {
    case Term::dense_weights:
    case Term::expert_weights: return "memory bandwidth (weights): more sequences at once cost little";
    case Term::kv: return "memory bandwidth (context): each sequence adds its own";
    case Term::compute:
    case Term::attention: return "FLOP/s: prompts and sequences cost in full";
    case Term::all_reduce:
    case Term::hops:
    case Term::stages: return "links between chips";
    case Term::layers:
    case Term::moe_layers:
    case Term::step:
    case Term::sequences: return "launches and the engine's own time";
    case Term::activations: return "memory bandwidth (activations)";
  }
  return "";
}

}  // namespace

double Prediction::joules_a_token() const { return watts(power) * seconds(step) / steady.sequences; }
double Prediction::tokens_a_second() const { return steady.sequences / seconds(step); }
double Prediction::dollars_a_million_tokens() const {
  return static_cast<double>(per_hour.count()) / 1e9 / 3600.0 / tokens_a_second() * 1e6;
}

Prediction predict(const Deployment& d, const Steady& s, const Calibration& calibration, const Relatives* relatives) {
  refuse_what_cannot_be(d);
  Prediction p{.deployment = d,
               .steady = s,
               .terms = {},
               .step = {},
               .power = {},
               .per_hour = d.chip->per_hour * d.chips(),
               .relatives = {}};
  if (relatives) p.relatives = relatives->of(d);
  const double factor = p.relatives ? p.relatives->factor : 1.0;
  p.price_assumed = std::ranges::find(d.chip->stand_ins, "price_usd_per_hour") != d.chip->stand_ins.end();
  const auto raw = step_seconds(d, s);
  for (std::size_t i = 0; i < raw.size(); ++i) {
    p.terms[i] = Picoseconds(std::llround(raw[i] * weight_of_term(calibration, i, d.engine) * factor * 1e12));
    p.step += p.terms[i];
  }
  const Drawing drawing{.deployment = d,
                        .sequences = s.sequences,
                        .context = s.prompt + s.output / 2,
                        .step_seconds = seconds(p.step),
                        .watts = 0};
  p.power = predicted_power(drawing, published_power(*d.chip));
  return p;
}

std::string prediction_text(const Prediction& p) {
  const Deployment& d = p.deployment;
  std::string text = fmt::format(
      "{} on {} x {} ({}, tp {} dp {} pp {} ep {}), weights {}, experts {}, kv {}\n"
      "{:.0f} sequences at once, prompts of {:.0f} and answers of {:.0f} tokens\n",
      d.model->id, d.chips(), d.chip->id, kEngines[static_cast<std::size_t>(d.engine)], d.tp, d.dp, d.pp, d.ep,
      name_of(d.weights), name_of(d.expert_weights), name_of(d.kv), p.steady.sequences, p.steady.prompt,
      p.steady.output);
  ShowTable table(1, {"", "", ""});
  table.add({"time between tokens", fmt::format("{:.3f}", ms(p.step)), "ms"});
  table.add({"output tokens", fmt::format("{:.0f}", p.tokens_a_second()), "per second"});
  table.add({"power, all chips", fmt::format("{:.0f}", watts(p.power)), "W"});
  table.add({"energy", fmt::format("{:.4f}", p.joules_a_token()), "J per output token"});
  if (p.per_hour.count() > 0)
    table.add({"price", fmt::format("{:.3f}{}", p.dollars_a_million_tokens(), p.price_assumed ? "*" : ""),
               "USD per million output tokens"});
  text += table.str();
  if (p.relatives)
    return text + p.relatives->text() +
           fmt::format(": {:.3f} to {:.3f} ms\n", ms(p.step) * p.relatives->low(), ms(p.step) * p.relatives->high());
  return text + "of models that no measurement knew such times were 20 % off in the mean, a tenth of them over 37 %\n";
}

std::string prediction_explained(const Prediction& p) {
  std::array<std::size_t, kTerms.size()> order;
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return p.terms[a] > p.terms[b]; });
  ShowTable table(1, {"term of a step", "ms", "share %"});
  for (const std::size_t i : order)
    if (p.terms[i].count() > 0)
      table.add({std::string(kTerms[i]), fmt::format("{:.4f}", ms(p.terms[i])),
                 fmt::format("{:.1f}", 100.0 * seconds(p.terms[i]) / seconds(p.step))});
  table.add({"all", fmt::format("{:.4f}", ms(p.step)), "100.0"});
  return prediction_text(p) + "\n" + table.str() +
         fmt::format("dominated by {}: bound by {}\n", kTerms[order[0]], bound_by(static_cast<Term>(order[0])));
}

std::string prediction_json(const Prediction& p) {
  json::Object terms;
  for (std::size_t i = 0; i < p.terms.size(); ++i) terms.number(std::string(kTerms[i]) + "_ps", p.terms[i].count());
  json::Object all;
  all.text("model", p.deployment.model->id).text("accelerator", p.deployment.chip->id);
  all.number("chips", p.deployment.chips()).number("step_ps", p.step.count()).number("power_mw", p.power.count());
  all.raw("energy_j_per_token", fmt::format("{:.6f}", p.joules_a_token()));
  if (p.per_hour.count() > 0) all.raw("usd_per_million_tokens", fmt::format("{:.6f}", p.dollars_a_million_tokens()));
  if (p.relatives) {
    const RelativesAnswer& r = *p.relatives;
    json::List shared;
    for (std::size_t i = 0; i < r.shared; ++i) shared.add(json::quoted(kKeyParts[i]));
    const auto scaled = [&](double by) { return std::llround(static_cast<double>(p.step.count()) * by); };
    all.raw("relatives", json::Object()
                             .raw("shared", shared.str())
                             .number("known", static_cast<std::int64_t>(r.known))
                             .raw("factor", fmt::format("{:.6f}", r.factor))
                             .number("step_low_ps", scaled(r.low()))
                             .number("step_high_ps", scaled(r.high()))
                             .str());
  }
  return all.raw("terms", terms.str()).str() + "\n";
}

}  // namespace yard
