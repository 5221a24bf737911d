// What no policy could exceed, in the long run: a fluid relaxation of a fleet's time.
//
// Each request may be split over kinds; kind k offers n_k device seconds a second. A request takes of it at least
//   prefill * r_k + (c3 * answer + c2 * sum of its contexts) / (1 - F_k / (2 * TPOT*))
// F + c3 n is a line below c0[n] at every n. A step's fixed part F is paid once per `chunk` tokens while a device only
// reads prompts, so that a prompt token costs c1 + F / chunk there; and while it decodes for somebody who attains, at
// least every 2 TPOT* (answers that overlap cover each other at most twice): r_k is the cheaper of the two. Prompts are
// read but for what any row of the trace before it had (one cache, endless and shared). A kind whose fastest first
// token is later than a request's objective does not serve it. KV memory, queues, bursts and chunk edges are left out.
//
// Maximise attaining requests a second: its Lagrangian dual bounds it for any prices of the kinds' seconds; prices are
// found by subgradient, and however well they are found, the bound holds.
#pragma once
#include <cstdint>

#include "bench/league_trial.h"

namespace yard::league {

// Returns: a rate above which less than `permille` of what arrives can attain. Floating point: the same on one build.
double bound_on_capacity(const Ground&, std::uint32_t permille);
// Returns: an upper bound on the share that attains at a rate, 0 to 1.
double bound_on_attainment(const Ground&, double rate);

}  // namespace yard::league
