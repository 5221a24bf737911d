# The axioms that tests/mutation.py falls back on. The mutation test itself takes minutes: tools/check --full.
find_program(SWITCHYARD_PYTHON python3)
if(SWITCHYARD_PYTHON)
  add_test(NAME litmus COMMAND ${SWITCHYARD_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/litmus.py)
else()
  add_test(NAME litmus COMMAND ${CMAKE_COMMAND} -E echo "skipped: there is no python3")
  set_tests_properties(litmus PROPERTIES SKIP_REGULAR_EXPRESSION "^skipped: ")
endif()
