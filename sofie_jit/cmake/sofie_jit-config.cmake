# find_package(sofie_jit CONFIG) with -Dsofie_jit_DIR=$(python -m sofie_jit --cmake-dir) defines
#
#   sofie_jit_add_model(<target> <file> [NAMESPACE <name>] [WEIGHTS embedded|binary|text] [DISPATCH]
#                       [INPUT_SHAPES <sizes>...] [BACKEND theano|tensorflow])
#
# <target>: an interface library. A target that links it can #include "<target>.hxx", which is generated from the model
#    <file> when the program is built, and again when <file> changes. <file> must exist when CMake runs, unless a command
#    of the build writes it.
# NAMESPACE: the namespace of its Session, by default TMVA_SOFIE_<target>.
# WEIGHTS: where the weights are, by default in the header; for the others, <target>_WEIGHTS is set to the weight file,
#    whose path is the argument of Session.
# DISPATCH: code for AVX-512, AVX2 and any other processor, chosen when the program runs; without it, add -march=native
#    or the processor's name to the compiler's options.
# INPUT_SHAPES, BACKEND: values of --input-shape and --backend of `sofie-jit emit`, for example INPUT_SHAPES 20,8 5 for
#    two inputs, or INPUT_SHAPES jets=20,8 for one of them.
#
# Build optimized code: set CMAKE_BUILD_TYPE to Release. Without optimization, a network is about a hundred times slower.

if(CMAKE_CXX_COMPILER AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES AND NOT CMAKE_CXX_FLAGS MATCHES "-O")
   message(WARNING "sofie_jit: CMAKE_BUILD_TYPE is not set, so networks run about a hundred times slower; "
                   "configure with -DCMAKE_BUILD_TYPE=Release")
endif()

set(SOFIE_JIT_DEMO_MODEL "${CMAKE_CURRENT_LIST_DIR}/../demo/digits.h5")
find_program(SOFIE_JIT_COMMAND sofie-jit
   HINTS "${CMAKE_CURRENT_LIST_DIR}/../../../../../bin" # of the environment that this file is installed in
   DOC "sofie-jit, the command of the Python package sofie_jit")

function(sofie_jit_add_model target file)
   cmake_parse_arguments(PARSE_ARGV 2 model "DISPATCH" "NAMESPACE;WEIGHTS;BACKEND" "INPUT_SHAPES")
   if(model_UNPARSED_ARGUMENTS OR model_KEYWORDS_MISSING_VALUES)
      message(FATAL_ERROR "sofie_jit_add_model: cannot make sense of "
                          "'${model_UNPARSED_ARGUMENTS}${model_KEYWORDS_MISSING_VALUES}'; the options are DISPATCH, "
                          "NAMESPACE name, WEIGHTS kind, BACKEND name and INPUT_SHAPES sizes...")
   endif()
   if(NOT SOFIE_JIT_COMMAND)
      message(FATAL_ERROR "sofie_jit_add_model: the command sofie-jit is not on the PATH; activate the environment "
                          "that sofie_jit is installed in, or give -DSOFIE_JIT_COMMAND=<where it is>")
   endif()
   get_filename_component(file "${file}" ABSOLUTE)
   set(directory "${CMAKE_CURRENT_BINARY_DIR}/${target}.sofie_jit")
   set(header "${directory}/${target}.hxx")
   set(files "${header}")
   set(options)
   if(NOT DEFINED model_WEIGHTS OR model_WEIGHTS STREQUAL "embedded")
      list(APPEND options --embed-weights)
   elseif(model_WEIGHTS STREQUAL "binary")
      list(APPEND options --binary)
      list(APPEND files "${directory}/${target}.bin")
   elseif(model_WEIGHTS STREQUAL "text")
      list(APPEND files "${directory}/${target}.dat")
   else()
      message(FATAL_ERROR "sofie_jit_add_model: WEIGHTS is embedded, binary or text, not '${model_WEIGHTS}'")
   endif()
   if(model_DISPATCH)
      list(APPEND options --dispatch)
   endif()
   if(model_NAMESPACE)
      list(APPEND options --namespace ${model_NAMESPACE})
   endif()
   if(model_BACKEND)
      list(APPEND options --backend ${model_BACKEND})
   endif()
   foreach(shape IN LISTS model_INPUT_SHAPES)
      list(APPEND options --input-shape ${shape})
   endforeach()

   get_source_file_property(generated "${file}" GENERATED)
   if(NOT EXISTS "${file}" AND NOT generated)
      message(FATAL_ERROR "sofie_jit_add_model: there is no model file '${file}'. If the build writes it, say so before: "
                          "set_source_files_properties(\"${file}\" PROPERTIES GENERATED TRUE)")
   endif()
   file(MAKE_DIRECTORY "${directory}")
   add_custom_command(
      OUTPUT ${files}
      COMMAND "${SOFIE_JIT_COMMAND}" emit "${file}" -o "${header}" ${options}
      DEPENDS "${file}"
      COMMENT "C++ of the model ${file}"
      VERBATIM)
   add_custom_target(${target}_sofie_jit DEPENDS ${files})
   add_library(${target} INTERFACE)
   add_dependencies(${target} ${target}_sofie_jit)
   target_include_directories(${target} INTERFACE "${directory}")
   target_compile_features(${target} INTERFACE cxx_std_17)
   list(REMOVE_AT files 0)
   set(${target}_WEIGHTS "${files}" PARENT_SCOPE)
endfunction()
