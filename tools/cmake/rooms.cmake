# A room is a folder, a static library and a list of the rooms that it may enter (scheduler/README.md: "Rooms"). Linking
# only what is listed makes a forbidden #include a build error where the other room has headers of a library; tools/tidy
# checks the rest.
#
#   yard_room(core DIR scheduler/core ENTERS base cost topology)         -> target yard_core, alias Switchyard::core
#   LINKS: libraries seen by whoever includes the room's headers; HIDES: libraries used in its .cpp files only.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
find_program(SWITCHYARD_CCACHE ccache)
if(PROJECT_IS_TOP_LEVEL AND SWITCHYARD_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${SWITCHYARD_CCACHE})
endif()

add_library(yard_flags INTERFACE)
target_compile_features(yard_flags INTERFACE cxx_std_20)
if(PROJECT_IS_TOP_LEVEL)
  target_compile_options(
    yard_flags INTERFACE $<BUILD_INTERFACE:-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion>)
endif()
target_include_directories(yard_flags INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
                           $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/scheduler>)
set_property(GLOBAL APPEND PROPERTY YARD_ROOMS yard_flags)

function(yard_room name)
  cmake_parse_arguments(ROOM "" "DIR" "ENTERS;LINKS;HIDES;OPTIONS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${ROOM_DIR}/*.cpp)
  set(rooms ${ROOM_ENTERS})
  list(TRANSFORM rooms PREPEND yard_)
  if(sources)
    add_library(yard_${name} STATIC ${sources})
    target_link_libraries(yard_${name} PUBLIC yard_flags ${rooms} ${ROOM_LINKS} PRIVATE ${ROOM_HIDES})
    target_compile_options(yard_${name} PRIVATE ${ROOM_OPTIONS})
    set_target_properties(yard_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_EXTENSIONS OFF)
  else()
    add_library(yard_${name} INTERFACE)
    target_link_libraries(yard_${name} INTERFACE yard_flags ${rooms} ${ROOM_LINKS})
  endif()
  set_target_properties(yard_${name} PROPERTIES EXPORT_NAME ${name})
  add_library(Switchyard::${name} ALIAS yard_${name})
  set_property(GLOBAL APPEND PROPERTY YARD_ROOMS yard_${name})
endfunction()

# Compiles a data file into a room: in C++ it is `extern const std::string_view <symbol>` in namespace yard::embedded.
function(yard_embed room symbol file)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/embedded_${symbol}.cpp)
  add_custom_command(
    OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DIN=${CMAKE_CURRENT_SOURCE_DIR}/${file} -DOUT=${out} -DSYMBOL=${symbol}
            -P ${PROJECT_SOURCE_DIR}/tools/cmake/embed.cmake
    DEPENDS ${file} ${PROJECT_SOURCE_DIR}/tools/cmake/embed.cmake
    VERBATIM)
  target_sources(yard_${room} PRIVATE ${out})
endfunction()
