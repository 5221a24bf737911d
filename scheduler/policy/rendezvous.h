// Rendezvous hashing (Thaler and Ravishankar, IEEE/ACM Transactions on Networking 6(1), 1998): the device with the
// highest weight for a key has it; if that one is gone or full, the next highest.
//
// Peers keep rings of many virtual nodes per worker (KubeAI 256, SMG 150). Their order for one key is a random
// permutation of the workers, as this is, and few keys move when a worker goes; but this holds no state and one pass
// finds the first that fulfils a condition.
#pragma once
#include <cstdint>

#include "scheduler/base/hash.h"

namespace yard::policy {

constexpr std::uint64_t rendezvous_weight(std::uint64_t key, std::uint32_t device) {
  return mix64(key ^ mix64(std::uint64_t{device} + 1));
}

}  // namespace yard::policy
