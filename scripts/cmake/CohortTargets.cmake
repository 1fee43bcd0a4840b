# The few functions that the folders' CMakeLists use, so that every target gets the same flags.

# The flags of every cohort target; an interface target, never global state.
add_library(cohort_flags INTERFACE)
target_compile_features(cohort_flags INTERFACE cxx_std_20)
target_compile_options(cohort_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor)
if(COHORT_WARNINGS_AS_ERRORS)
  target_compile_options(cohort_flags INTERFACE -Werror)
endif()
if(COHORT_SANITIZE)
  target_compile_options(cohort_flags INTERFACE
    -fsanitize=${COHORT_SANITIZE} -fno-omit-frame-pointer
    -Wno-maybe-uninitialized)  # instrumented code gives false ones
  if(COHORT_SANITIZE MATCHES undefined)
    # The check opens a pipe to look at memory, so it finds sound objects broken where a test
    # exhausts the descriptors.
    target_compile_options(cohort_flags INTERFACE -fno-sanitize=vptr)
  endif()
  target_link_options(cohort_flags INTERFACE -fsanitize=${COHORT_SANITIZE})
endif()

# cohort_library(NAME SOURCES... ): target cohort_NAME, alias cohort::NAME; headers are
# included from the project's root ("core/engine.h").
function(cohort_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;PUBLIC;PRIVATE")
  add_library(cohort_${name} STATIC ${arg_SOURCES})
  add_library(cohort::${name} ALIAS cohort_${name})
  target_include_directories(cohort_${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
  if(IS_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}/include")
    target_include_directories(cohort_${name}
      PUBLIC $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>)
  endif()
  target_compile_features(cohort_${name} PUBLIC cxx_std_20)
  target_link_libraries(cohort_${name}
    PUBLIC ${arg_PUBLIC} PRIVATE $<BUILD_INTERFACE:cohort_flags> ${arg_PRIVATE})
endfunction()

# cohort_program(NAME SOURCES... LINK...): a program of ours in build/*/bin.
function(cohort_program name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINK")
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LINK} cohort_flags)
  target_link_options(${name} PRIVATE -Wl,--as-needed)
  if(COHORT_STATIC_RUNTIME)
    target_link_options(${name} PRIVATE -static-libstdc++ -static-libgcc)
  endif()
endfunction()
