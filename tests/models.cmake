# Models of scheduler/sync: the shipped headers over Relacy's atomics, every interleaving. yard_model(name):
# tests/models/<name>.cpp, a program and a ctest of the same name.
find_path(RELACY_INCLUDE relacy/relacy.hpp)
set(no_models "")
if(NOT RELACY_INCLUDE)
  set(no_models "Relacy is not installed (Debian: relacy-dev)")
elseif("${CMAKE_CXX_FLAGS}" MATCHES "-fsanitize")
  set(no_models "Relacy jumps between stacks, which sanitizers take for errors")
endif()

function(yard_model name)
  if(no_models)
    add_test(NAME ${name} COMMAND ${CMAKE_COMMAND} -E echo "skipped: ${no_models}")
    set_tests_properties(${name} PROPERTIES SKIP_REGULAR_EXPRESSION "^skipped: ")
    return()
  endif()
  add_executable(${name} models/${name}.cpp)
  target_include_directories(${name} SYSTEM PRIVATE ${RELACY_INCLUDE})
  # Relacy replaces operator delete, but not the one that is told a size.
  target_compile_options(${name} PRIVATE -O2 -fno-sized-deallocation)
  target_link_libraries(${name} PRIVATE yard_flags yard_sync)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 300)
endfunction()

yard_model(flag_model)
yard_model(task_deque_model)
yard_model(parking_model)
yard_model(event_count_model)
