// The table of functions that a compiled library exports for Python.
#ifndef SOFIE_JIT_TABLE_HXX
#define SOFIE_JIT_TABLE_HXX

#include <cstddef>
#include <cstdint>

#define SOFIE_JIT_EXPORTED extern "C" __attribute__((visibility("default")))

// What Python needs: create, destroy and infer of the network, the addresses of the weights, and the functions of
// runtime/*.hxx in the order of jit/runtime_functions.py.
SOFIE_JIT_EXPORTED const std::uint64_t *sofie_jit_table(void)
{
   namespace runtime = sofie_jit_runtime;
   const auto address = [](auto *function) { return reinterpret_cast<std::uint64_t>(function); };
   const sofie_jit_library::Functions network = sofie_jit_library::functions();
   static std::uint64_t table[12];
   const std::uint64_t found[] = {
      address(network.create),      address(network.destroy),        address(network.infer),
      address(sofie_jit_library::weights()),
      address(runtime::create),     address(runtime::destroy),       address(runtime::run),
      address(runtime::run_released),
      address(runtime::start_pool), address(runtime::run_parallel),
      address(runtime::start),      address(runtime::new_call),
   };
   for (std::size_t i = 0; i < sizeof(found) / sizeof(*found); ++i)
      table[i] = found[i];
   return table;
}
#endif
