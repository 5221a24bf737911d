# What tools/test, tools/check and tools/start share; to be sourced from bash. Runs named stages, a line each with its
# seconds, their output kept in build/log/ and shown when they fail; counts tests as ctest does.

jobs=${JOBS:-$(nproc)}
passed=0 failed=0 skipped=0
ctest_log=   # of the last ctest run
mkdir -p build/log

# announce NAME: on a terminal, what runs now; say overwrites it.
announce() { [ ! -t 1 ] || printf '%-28s ...\r' "$1"; }

# say NAME SECONDS RESULT
say() { printf '%-28s %4s s  %s\n' "$1" "$2" "$3"; }

# stage NAME COMMAND...: a stage that fails counts as one failed test. Returns: its exit status.
stage() {
  local name=$1 started=$SECONDS status=0 log
  shift
  log="build/log/${name//[^a-zA-Z0-9.-]/_}.log"
  announce "$name"
  "$@" >"$log" 2>&1 </dev/null || status=$?
  if [ "$status" -eq 0 ]; then
    say "$name" $((SECONDS - started)) ok
  else
    failed=$((failed + 1))
    say "$name" $((SECONDS - started)) "FAILED ($log)"
    tail -n 60 "$log"
  fi
  return "$status"
}

# skip_stage NAME WHY
skip_stage() { say "$1" 0 "skipped: $2"; }

# build PRESET [TARGET...]: configures and builds; all targets where none is named.
build() {
  local preset=$1
  shift
  stage "configure $preset" cmake --preset "$preset" || return
  if [ $# -gt 0 ]; then
    stage "build $preset: $*" cmake --build --preset "$preset" --parallel "$jobs" --target "$@"
  else
    stage "build $preset" cmake --build --preset "$preset" --parallel "$jobs"
  fi
}

# run_ctest PRESET [CTEST-FLAG...]: adds its tests to passed, failed and skipped.
run_ctest() {
  local preset=$1 started=$SECONDS status=0 total bad left_out closing
  shift
  ctest_log="build/log/ctest_$preset.log"
  announce "ctest $preset"
  ctest --preset "$preset" --parallel "$jobs" "$@" >"$ctest_log" 2>&1 </dev/null || status=$?
  closing=$(grep -E '^[0-9]+% tests passed, [0-9]+ tests failed out of [0-9]+' "$ctest_log" | tail -n 1)
  if [ -z "$closing" ]; then
    failed=$((failed + 1))
    say "ctest $preset" $((SECONDS - started)) "FAILED: it ran no test ($ctest_log)"
    tail -n 20 "$ctest_log"
    return 1
  fi
  bad=$(sed -E 's/.*, ([0-9]+) tests failed out of .*/\1/' <<<"$closing")
  total=$(sed -E 's/.* out of ([0-9]+).*/\1/' <<<"$closing")
  left_out=$(grep -cE '^[[:space:]]*[0-9]+ - .* \((Skipped|Disabled)\)$' "$ctest_log" || true)
  failed=$((failed + bad)) skipped=$((skipped + left_out)) passed=$((passed + total - bad - left_out))
  say "ctest $preset" $((SECONDS - started)) "$((total - bad - left_out)) passed, $bad failed, $left_out skipped"
  if [ "$status" -ne 0 ]; then
    grep -vE '^ *[0-9]+/[0-9]+ Test .*(Passed|Skipped)|^ *Start ' "$ctest_log" | tail -n 120
  fi
  return "$status"
}

# Prints ctest's own closing lines, then `N passed, N failed` alone on a line. Returns: 0 where nothing failed.
close_stages() {
  echo
  [ -z "$ctest_log" ] || sed -nE '/^[0-9]+% tests passed/,$p' "$ctest_log" | sed '/^$/d'
  local line="$passed passed, $failed failed"
  [ "$skipped" -eq 0 ] || line+=", $skipped skipped"
  echo "$line"
  [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
