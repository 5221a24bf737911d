yard_test(core_test ENTERS policy core cost base)
yard_test(chunk_test ENTERS policy core cost base)
yard_test(pace_test ENTERS policy core cost base)
yard_test(length_mean_test ENTERS core cost base)
yard_test(core_door_test ENTERS policy core cost base)
yard_test(core_device_test ENTERS policy core cost base)
yard_test(core_policy_test ENTERS policy core cost base)
yard_test(core_parts_test ENTERS policy core cost base)
yard_test(core_fuzz_test ENTERS policy core cost base)
if(NOT CMAKE_CXX_FLAGS MATCHES "fsanitize=thread")  # whose operator new cannot be replaced; the test has one thread
  yard_test(allocation_test ENTERS policy core cost base)
endif()
yard_test(watch_test ENTERS policy core cost base)
yard_test(swarm_test ENTERS backend loop policy core cost base)
if(TARGET allocation_test)
  target_link_options(
    allocation_test PRIVATE
    "LINKER:--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc,--wrap=free")
endif()
