// The functions of include/sofie_jit.h, which a compiled library exports.
//
// The text before this one, which jit/library_source.py generates, describes the network in the namespace
// sofie_jit_library.
#ifndef SOFIE_JIT_LIBRARY_HXX
#define SOFIE_JIT_LIBRARY_HXX

#include <cstdint>
#include <pthread.h>

namespace sofie_jit_library {

namespace runtime = sofie_jit_runtime;

constexpr int bad_size = -4;
constexpr int tensor_count = input_count + output_count + (set_size_count ? 1 : 0);
static_assert(!is_tiled || !set_size_count, "tiles would set the sizes several times");

// Starts the pool of threads, once, and again in forked processes, which have none of the threads.
inline void start_pool()
{
   static pthread_once_t once = PTHREAD_ONCE_INIT;
   pthread_once(&once, [] {
      if (!runtime::pool)
         runtime::start_pool();
      pthread_atfork(nullptr, nullptr, runtime::start_pool);
   });
}

// The number of threads, at most `threads`, that a call with these sizes keeps busy.
inline std::size_t useful_threads(int threads, const std::size_t *dims)
{
   const double useful = flops(dims) / flops_per_thread;
   return useful < 2 || threads < 2 ? 1 : useful < threads ? static_cast<std::size_t>(useful)
                                                           : static_cast<std::size_t>(threads);
}

inline int run(const void *session, const std::int64_t *sizes, const void *const *inputs, void *const *outputs,
               int threads)
{
   std::size_t dims[size_count + 1] = {}, row_bytes[tensor_count];
   void *tensors[tensor_count];
   for (int i = 0; i < size_count; ++i) {
      if (sizes[i] < 0)
         return bad_size;
      dims[i] = static_cast<std::size_t>(sizes[i]);
   }
   for (int i = 0; i < tensor_count; ++i)
      tensors[i] = i < input_count ? const_cast<void *>(inputs[i]) : outputs[i - input_count];
   const runtime::Infer infer = functions().infer;
   const std::size_t useful = useful_threads(threads, dims);
   if (useful < 2)
      return runtime::invoke(infer, session, dims, tensors);
   for (int i = 0; is_tiled && i < tensor_count; ++i) {
      std::int64_t axes[max_rank];
      shape(i, sizes, axes);
      row_bytes[i] = item_sizes[i];
      for (int axis = 1; axis < described[i].rank; ++axis) // the first one is the batch
         row_bytes[i] *= static_cast<std::size_t>(axes[axis]);
   }
   start_pool();
   return runtime::run_in_parallel({infer, session, dims, tensors, is_tiled ? row_bytes : nullptr, size_count,
                                    tensor_count, static_cast<std::size_t>(batch_index), rows_together, useful});
}

} // namespace sofie_jit_library

SOFIE_JIT_EXPORTED int sofie_jit_size_count(void)
{
   return sofie_jit_library::size_count;
}

SOFIE_JIT_EXPORTED const char *sofie_jit_size_name(int index)
{
   return sofie_jit_library::size_names[index];
}

SOFIE_JIT_EXPORTED int sofie_jit_set_size_count(void)
{
   return sofie_jit_library::set_size_count;
}

SOFIE_JIT_EXPORTED const char *sofie_jit_set_size_name(int index)
{
   return sofie_jit_library::set_size_names[index];
}

SOFIE_JIT_EXPORTED void sofie_jit_largest_sizes(const int64_t *sizes, int64_t *largest)
{
   sofie_jit_library::largest_sizes(sizes, largest);
}

SOFIE_JIT_EXPORTED int sofie_jit_input_count(void)
{
   return sofie_jit_library::input_count;
}

SOFIE_JIT_EXPORTED int sofie_jit_output_count(void)
{
   return sofie_jit_library::output_count;
}

SOFIE_JIT_EXPORTED const sofie_jit_tensor *sofie_jit_input(int index)
{
   return &sofie_jit_library::described[index];
}

SOFIE_JIT_EXPORTED const sofie_jit_tensor *sofie_jit_output(int index)
{
   return &sofie_jit_library::described[sofie_jit_library::input_count + index];
}

SOFIE_JIT_EXPORTED void sofie_jit_input_shape(int index, const int64_t *sizes, int64_t *shape)
{
   sofie_jit_library::shape(index, sizes, shape);
}

SOFIE_JIT_EXPORTED void sofie_jit_output_shape(int index, const int64_t *sizes, int64_t *shape)
{
   sofie_jit_library::shape(sofie_jit_library::input_count + index, sizes, shape);
}

SOFIE_JIT_EXPORTED sofie_jit_model *sofie_jit_open(void)
{
   const std::uint64_t create = reinterpret_cast<std::uint64_t>(sofie_jit_library::functions().create);
   const std::uint64_t *const weights = reinterpret_cast<const std::uint64_t *>(sofie_jit_library::weights());
   return reinterpret_cast<sofie_jit_model *>(sofie_jit_runtime::create(create, weights));
}

SOFIE_JIT_EXPORTED void sofie_jit_close(sofie_jit_model *model)
{
   if (model)
      sofie_jit_library::functions().destroy(model);
}

SOFIE_JIT_EXPORTED int sofie_jit_run(const sofie_jit_model *model, const int64_t *sizes, const void *const *inputs,
                                     void *const *outputs, int threads)
{
   return sofie_jit_library::run(model, sizes, inputs, outputs, threads);
}

SOFIE_JIT_EXPORTED const char *sofie_jit_message(int status)
{
   if (status > 0 && status <= sofie_jit_library::failure_count)
      return sofie_jit_library::failures[status];
   switch (status) {
   case 0: return "success";
   case sofie_jit_runtime::no_memory: return "there is too little memory for the intermediate results of this call";
   case sofie_jit_library::bad_size: return "a size is negative";
   }
   return "this status is not one of sofie_jit_run";
}
#endif
