# cmake -DBUILD=... -DSCRATCH=... -DCXX=... -DFLAGS=... -P run.cmake: installs BUILD into SCRATCH, builds this folder's
# programs against what was installed, as somebody else would, and runs them.
function(run)
  cmake_parse_arguments(RUN "" "OUTPUT" "COMMAND" ${ARGN})
  execute_process(COMMAND ${RUN_COMMAND} RESULT_VARIABLE status OUTPUT_VARIABLE text ERROR_VARIABLE text TIMEOUT 300)
  if(NOT status EQUAL 0)
    list(JOIN RUN_COMMAND " " shown)
    message(FATAL_ERROR "${shown}\nended with ${status}:\n${text}")
  endif()
  if(RUN_OUTPUT AND NOT text MATCHES "${RUN_OUTPUT}")
    message(FATAL_ERROR "expected ${RUN_OUTPUT}, found:\n${text}")
  endif()
endfunction()

file(REMOVE_RECURSE ${SCRATCH})
run(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${SCRATCH}/prefix)

file(GLOB_RECURSE headers RELATIVE ${SCRATCH}/prefix/include ${SCRATCH}/prefix/include/*)
foreach(header IN LISTS headers)
  if(NOT header MATCHES "^switchyard/[a-z_]+\\.h$")
    message(FATAL_ERROR "${header} is installed; only public headers may be")
  endif()
endforeach()

run(COMMAND ${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${SCRATCH}/build -G Ninja -DCMAKE_BUILD_TYPE=Debug
            -DCMAKE_PREFIX_PATH=${SCRATCH}/prefix -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_CXX_FLAGS=${FLAGS})
run(COMMAND ${CMAKE_COMMAND} --build ${SCRATCH}/build)
run(COMMAND ${SCRATCH}/build/main OUTPUT "4 5 6 7 8")
run(COMMAND ${SCRATCH}/build/two OUTPUT "both")
run(COMMAND ${SCRATCH}/build/no_exceptions OUTPUT "devices: .*no_such_policy.*4 5")

# The README shows main.cpp as it stands here.
file(READ ${CMAKE_CURRENT_LIST_DIR}/main.cpp main)
set(readme ${CMAKE_CURRENT_LIST_DIR}/../../README.md)
if(EXISTS ${readme})
  file(READ ${readme} text)
  string(FIND "${text}" "${main}" at)
  if(at LESS 0)
    message(FATAL_ERROR "README.md does not show tests/consumer/main.cpp word for word")
  endif()
endif()
