#include "scheduler/core/command.h"

namespace yard {

std::string_view name_of(Outcome o) {
  switch (o) {
    case Outcome::done: return "done";
    case Outcome::cancelled: return "cancelled";
    case Outcome::rejected: return "rejected";
    case Outcome::failed: return "failed";
  }
  return "";
}

std::string_view name_of(Reason r) {
  switch (r) {
    case Reason::none: return "";
    case Reason::queue_full: return "queue_full";
    case Reason::no_such_model: return "no_such_model";
    case Reason::no_region: return "no_region";
    case Reason::empty_prompt: return "empty_prompt";
    case Reason::too_long: return "too_long";
    case Reason::shed: return "shed";
    case Reason::device_lost: return "device_lost";
    case Reason::device_failed: return "device_failed";
  }
  return "";
}

std::string_view name_of(BoundBy b) {
  switch (b) {
    case BoundBy::work: return "work";
    case BoundBy::sequences: return "sequences";
    case BoundBy::kv: return "kv";
    case BoundBy::tokens: return "tokens";
  }
  return "";
}

}  // namespace yard
