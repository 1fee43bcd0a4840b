# What cohort builds on, found on the system; nothing is fetched.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

include(CheckIncludeFileCXX)
check_include_file_cxx(sys/pidfd.h COHORT_HAVE_PIDFD)
if(NOT COHORT_HAVE_PIDFD)
  message(FATAL_ERROR "cohort needs <sys/pidfd.h>: glibc 2.36 or newer, as Debian 12 has")
endif()

# Boost.Serialization: cohort's archive is header-only, but the interface it serves has a small library.
if(COHORT_STATIC_RUNTIME)
  set(Boost_USE_STATIC_LIBS ON)
endif()
find_package(Boost 1.74 REQUIRED COMPONENTS serialization)

pkg_check_modules(SODIUM REQUIRED libsodium)
add_library(cohort_sodium INTERFACE)
if(COHORT_STATIC_RUNTIME)
  find_library(COHORT_SODIUM_STATIC libsodium.a REQUIRED)
  target_link_libraries(cohort_sodium INTERFACE ${COHORT_SODIUM_STATIC})
else()
  target_link_libraries(cohort_sodium INTERFACE ${SODIUM_LINK_LIBRARIES})
endif()
target_include_directories(cohort_sodium SYSTEM INTERFACE ${SODIUM_INCLUDE_DIRS})

find_package(fmt 9 REQUIRED)
find_package(spdlog 1.10 REQUIRED)
# Header-only, both: a worker's start loads no library for a log that it rarely writes.
add_library(cohort_spdlog INTERFACE)
target_include_directories(cohort_spdlog SYSTEM INTERFACE
  $<TARGET_PROPERTY:spdlog::spdlog_header_only,INTERFACE_INCLUDE_DIRECTORIES>)
target_compile_definitions(cohort_spdlog INTERFACE SPDLOG_HEADER_ONLY SPDLOG_FMT_EXTERNAL)
target_link_libraries(cohort_spdlog INTERFACE fmt::fmt-header-only)
find_package(CLI11 2.1 REQUIRED)
if(COHORT_BUILD_MPI)
  find_package(MPI 3.1 REQUIRED COMPONENTS C)
  # MPI's C interface, from C++: without the C++ bindings that mpi.h would bring.
  add_library(cohort_mpi_c INTERFACE)
  target_link_libraries(cohort_mpi_c INTERFACE ${MPI_C_LIBRARIES})
  target_include_directories(cohort_mpi_c SYSTEM INTERFACE ${MPI_C_INCLUDE_DIRS})
  target_compile_definitions(cohort_mpi_c INTERFACE OMPI_SKIP_MPICXX MPICH_SKIP_MPICXX)
  # The headers alone: what MPI itself has loaded is used, where it is PMIx's own library.
  pkg_check_modules(PMIX pmix)
  target_include_directories(cohort_mpi_c SYSTEM INTERFACE ${PMIX_INCLUDE_DIRS})
endif()

if(COHORT_BUILD_JOBS)
  find_package(nlohmann_json 3.11 REQUIRED)
  find_package(HDF5 1.10.7 REQUIRED COMPONENTS C HL)  # the first with H5Pset_file_locking
endif()
if(COHORT_BUILD_TESTS)
  find_package(GTest 1.12 REQUIRED)
endif()
if(COHORT_BUILD_BENCH)
  find_package(benchmark 1.7 REQUIRED)
endif()
