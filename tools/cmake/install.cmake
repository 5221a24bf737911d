# What `cmake --install` lays down beside the program: the public headers, the library and its rooms, and what
# find_package(Switchyard) reads. Consumers link Switchyard::switchyard; the rooms come along as archives only.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

if(TARGET switchyard)
  get_property(rooms GLOBAL PROPERTY YARD_ROOMS)
  set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Switchyard)

  install(DIRECTORY ${PROJECT_SOURCE_DIR}/scheduler/switchyard/
          DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/switchyard
          FILES_MATCHING PATTERN "*.h")
  target_include_directories(switchyard INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  install(TARGETS switchyard ${rooms} EXPORT Switchyard)
  install(EXPORT Switchyard NAMESPACE Switchyard:: FILE SwitchyardTargets.cmake DESTINATION ${package_dir})

  configure_package_config_file(
    ${PROJECT_SOURCE_DIR}/tools/package.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/SwitchyardConfig.cmake
    INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO)
  # Before 1.0 a minor version may change the interface.
  write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/SwitchyardConfigVersion.cmake
                                   COMPATIBILITY SameMinorVersion)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/SwitchyardConfig.cmake
                ${CMAKE_CURRENT_BINARY_DIR}/SwitchyardConfigVersion.cmake
          DESTINATION ${package_dir})
  install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
endif()
