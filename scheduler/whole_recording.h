// A simulation's recording appears whole or not at all, as its other outputs do; a live one rather survives a crash.
#pragma once
#include <optional>
#include <string>

#include "scheduler/base/input_error.h"
#include "scheduler/base/output_file.h"
#include "scheduler/loop/recorder.h"

namespace yard {

class WholeRecording {
 public:
  explicit WholeRecording(const std::string& path) : place_(path) {
    naming_the_place([&] { recorder_.emplace(place_.grows_at()); });
  }
  Recorder& recorder() { return *recorder_; }
  void commit() {
    naming_the_place([&] { recorder_->finish(); });
    place_.keep();
  }

 private:
  // What is wrong is said of the name that was given, not of the one it grows under.
  void naming_the_place(const auto& act) const {
    try {
      act();
    } catch (const InputError& e) {
      throw InputError(place_.path(), 0, "", e.found, "check the folder and the disk");
    }
  }

  Place place_;
  std::optional<Recorder> recorder_;
};

}  // namespace yard
