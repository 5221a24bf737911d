// The per-request CSV (RFC 4180, lines ended by LF): one row per ended request, in the order they are given.
//
//   id,model,class,tenant,prompt_tokens,output_tokens,cached_tokens,arrival_ns,admit_ns,first_token_ns,finish_ns,pool,
//   device,outcome,reason,preemptions
//
// Integers; a cell is empty where the thing did not happen. `device` is the replica's number within its pool. Exact
// percentiles are read from here; the report's are within 1 %.
// Cost: no allocation per row; 64 KiB of rows are gathered before they are written.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/base/output_file.h"
#include "scheduler/core/command.h"
#include "topology/fleet_view.h"

namespace yard {

class RowWriter {
 public:
  // Requires: the fleet outlives the writer. Errors: InputError when the place cannot be written to.
  RowWriter(std::string path, const FleetView&);

  // `id`: the row's number in its trace. Errors: InputError when the disk is full.
  void write(std::uint64_t id, const Finish&);

  void commit();  // Without it, there is no file. Errors: as OutputFile's.

 private:
  void flush();

  OutputFile file_;
  const FleetView& fleet_;
  std::vector<std::string> models_, classes_, tenants_, pools_;  // as written, with the comma after them
  std::vector<std::uint32_t> pool_of_;                           // by device
  std::vector<char> buffer_;
  std::size_t used_ = 0, longest_row_ = 0;
};

// Returns: the name as a CSV cell: quoted where it holds a comma, a quote or a line's end.
std::string csv_cell(std::string_view name);

}  // namespace yard
