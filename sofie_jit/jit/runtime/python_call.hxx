// The fast path from Python into a Session: a builtin function per model.
//
// It handles the most common calls, with arrays of exactly the right type and shape, and passes all others to a Python
// function, which converts the arguments or raises. It relies only on those parts of CPython and numpy that are stable
// between versions, and declares them here, because Python's headers may not be installed.
#ifndef SOFIE_JIT_PYTHON_CALL_HXX
#define SOFIE_JIT_PYTHON_CALL_HXX

#include <cstddef>
#include <cstdint>

namespace sofie_jit_runtime {

struct Object { // the head of every Python object
   std::intptr_t references;
   void *type;
};

struct Array { // numpy's ndarray
   Object head;
   void *data;
   int rank;
   const std::intptr_t *shape;
   const std::intptr_t *strides;
   Object *base;
   Object *descr;
   int flags;
};
constexpr int contiguous_aligned = 0x0001 | 0x0100, writeable = 0x0400;

// The functions of CPython and numpy that are called; jit/fast_call.py fills it in, in this order.
struct Interface {
   void *(*capsule_pointer)(Object *, const char *);
   Object *(*new_capsule)(void *, const char *, void (*)(Object *));
   Object *(*new_function)(const void *method, Object *self, Object *module);
   Object *(*vectorcall)(Object *callable, Object *const *args, std::size_t count, Object *names);
   void (*incref)(Object *);
   void (*decref)(Object *);
   Object *(*new_list)(std::intptr_t);
   int (*list_set)(Object *, std::intptr_t, Object *);
   void *(*save_thread)();
   void (*restore_thread)(void *);
   std::intptr_t (*tuple_size)(Object *);
   Object *(*tuple_item)(Object *, std::intptr_t); // borrowed
   long long (*integer)(Object *, int *overflow);
   std::intptr_t (*list_size)(Object *);
   Object *(*list_item)(Object *, std::intptr_t); // borrowed
   std::intptr_t (*dict_size)(Object *);
   Object *(*dict_item)(Object *, Object *key); // borrowed
   Object *(*new_dict)();
   int (*dict_set)(Object *, Object *key, Object *value);
   Object *(*new_array)(void *type, int rank, const std::intptr_t *shape, int number, const std::intptr_t *strides,
                        void *data, int itemsize, int flags, Object *owner);
   void *array_type, *int_type, *list_type, *dict_type;
   Object *none, *out, *threads; // the last two are names of options
};

inline Interface python;

constexpr int max_tensors = 16, max_dims = 8, max_axes = 8, max_terms = 16;
constexpr int max_computed = 16, max_instructions = 128; // all sizes of outputs together

// One tensor of a call.
struct Tensor {
   Object *name;  // of an input, or the key of an output in the dict of results
   Object *descr; // numpy's only dtype object of its kind
   int number;    // and its type number
   int rank;
   std::intptr_t itemsize;
   std::intptr_t size[max_axes]; // of an axis, or, if negative, -1 - the index of its run-time dimension
};
// A step in the computation of sizes of outputs, with a stack: jit/fast_call.py has the numbers of the operations.
struct Instruction {
   int operation;
   std::intptr_t operand;
};
// A number of threads times powers of the run-time dimensions.
struct Term {
   double threads;
   int power[max_dims];
};
struct FastCall {
   Infer infer;
   const void *session;
   Object *slow;          // a Python function of the same arguments for all other calls
   std::intptr_t batch;   // index of the batch among the run-time dimensions, or negative
   std::intptr_t release; // bytes read and written from which on the GIL is released
   std::intptr_t threads;
   bool tiled;            // whether rows are independent
   std::size_t min_rows;  // fewest rows of a thread
   int inputs, outputs, dims, terms, instructions;
   const void *form;          // in which the outputs are returned: the type list or dict; null for one array
   int returned[max_tensors]; // the outputs in the order of this list or dict
   Tensor tensors[max_tensors];
   Instruction sizes[max_instructions]; // of the outputs, whose indices follow those of the run-time dimensions
   Term work[max_terms]; // their sum is the number of threads that a call keeps busy
};

struct Options {
   Object *out;
   std::intptr_t threads;
};

// Reads the values of keyword arguments, given a tuple of their names; false if Python has to handle them.
inline bool read(Options &options, Object *const *values, Object *names)
{
   for (std::intptr_t i = 0, count = python.tuple_size(names); i < count; ++i) {
      const Object *const name = python.tuple_item(names, i);
      if (name == python.out)
         options.out = values[i] == python.none ? nullptr : values[i];
      else if (name == python.threads && values[i]->type == python.int_type) {
         int overflow;
         options.threads = static_cast<std::intptr_t>(python.integer(values[i], &overflow));
         if (overflow || options.threads < 1)
            return false;
      } else if (name != python.threads || values[i] != python.none)
         return false;
   }
   return true;
}

inline bool matches(const Tensor &expected, const Object *object, std::intptr_t *dims, std::intptr_t &bytes, int flags)
{
   if (object->type != python.array_type)
      return false;
   const Array &array = *reinterpret_cast<const Array *>(object);
   if (array.descr != expected.descr || array.rank != expected.rank || (array.flags & flags) != flags)
      return false;
   std::intptr_t size = expected.itemsize;
   for (int axis = 0; axis < expected.rank; ++axis) {
      const std::intptr_t found = array.shape[axis];
      std::intptr_t wanted = expected.size[axis];
      if (wanted < 0) {
         std::intptr_t &dim = dims[-1 - wanted];
         wanted = dim ? dim : (dim = found);
      }
      if (found != wanted)
         return false;
      size *= found;
   }
   bytes = size;
   return size != 0;
}

inline Object *allocate(const Tensor &kind, const std::intptr_t *dims, std::intptr_t &bytes)
{
   std::intptr_t shape[max_axes], size = kind.itemsize;
   for (int axis = 0; axis < kind.rank; ++axis) {
      shape[axis] = kind.size[axis] < 0 ? dims[-1 - kind.size[axis]] : kind.size[axis];
      size *= shape[axis];
   }
   bytes = size;
   return python.new_array(python.array_type, kind.rank, shape, kind.number, nullptr, nullptr, 0, 0, nullptr);
}

// Computes the sizes of outputs that are expressions over the run-time dimensions, and stores them after these. Returns
// false if one is not positive: Python handles empty results, and raises for sizes that do not fit.
inline bool compute_sizes(const FastCall &call, std::intptr_t *dims)
{
   std::intptr_t stack[max_instructions + 1], *top = stack, *computed = dims + call.dims;
   for (int i = 0; i < call.instructions; ++i) {
      const Instruction &step = call.sizes[i];
      if (step.operation <= 1) {
         *++top = step.operation == 0 ? step.operand : dims[step.operand];
         continue;
      }
      const std::intptr_t right = *top--;
      if (step.operation == 2) {
         if (right <= 0)
            return false;
         *computed++ = right;
         continue;
      }
      std::intptr_t &left = *top;
      switch (step.operation) {
      case 3: left += right; break;
      case 4: left -= right; break;
      case 5: left *= right; break;
      case 6:
         if (right <= 0)
            return false;
         left = left / right - (left % right < 0);
         break;
      case 7: left = left < right ? left : right; break;
      default: left = left < right ? right : left;
      }
   }
   return true;
}

// The number of threads that a call can use.
inline std::intptr_t useful_threads(const FastCall &call, std::intptr_t most, const std::intptr_t *dims)
{
   double useful = 0;
   for (int i = 0; i < call.terms; ++i) {
      double product = call.work[i].threads;
      for (int dim = 0; dim < call.dims; ++dim)
         for (int power = call.work[i].power[dim]; power > 0; --power)
            product *= static_cast<double>(dims[dim]);
      useful += product;
   }
   return useful < static_cast<double>(most) ? static_cast<std::intptr_t>(useful) : most;
}

inline int run_on(std::size_t threads, const FastCall &call, const std::size_t *sizes, const std::intptr_t *bytes,
                  void *const *tensors)
{
   const std::size_t batch = call.tiled ? sizes[call.batch] : 1;
   std::size_t row_bytes[max_tensors];
   for (int i = 0; i < call.inputs + call.outputs; ++i)
      row_bytes[i] = static_cast<std::size_t>(bytes[i]) / batch;
   return run_in_parallel({call.infer, call.session, sizes, tensors, call.tiled ? row_bytes : nullptr,
                           static_cast<std::size_t>(call.dims), static_cast<std::size_t>(call.inputs + call.outputs),
                           static_cast<std::size_t>(call.batch), call.min_rows, threads});
}

// Creates the arrays of the outputs, or takes the option `out`, and computes their bytes. Returns false, keeping none
// of them, if Python has to handle the call.
inline bool make_results(const FastCall &call, const Options &options, std::intptr_t *dims, Object **results,
                         std::intptr_t *bytes)
{
   for (int i = 0; i < call.outputs; ++i) {
      const Tensor &kind = call.tensors[call.inputs + i];
      if (!options.out)
         results[i] = allocate(kind, dims, bytes[i]);
      else if (call.outputs == 1 && matches(kind, options.out, dims, bytes[0], contiguous_aligned | writeable))
         python.incref(results[i] = options.out);
      else
         return false;
      if (!results[i]) {
         while (i--)
            python.decref(results[i]);
         return false; // out of memory; the slow path reports it
      }
   }
   return true;
}

// The arrays of the outputs as one object, which takes over the references; null without memory.
inline Object *packed(const FastCall &call, Object *const *results)
{
   if (call.form == python.dict_type) {
      Object *const dict = python.new_dict();
      for (int i = 0; i < call.outputs; ++i) {
         const int output = call.returned[i];
         if (dict)
            python.dict_set(dict, call.tensors[call.inputs + output].name, results[output]);
         python.decref(results[output]);
      }
      return dict;
   }
   if (call.form != python.list_type)
      return results[0];
   Object *const list = python.new_list(call.outputs);
   for (int i = 0; list && i < call.outputs; ++i)
      python.list_set(list, i, results[call.returned[i]]);
   return list;
}

inline Object *try_call(const FastCall &call, Object *const *args, const Options &options)
{
   std::intptr_t dims[max_dims + max_computed] = {}, bytes[max_tensors], all = 0;
   void *tensors[max_tensors];
   Object *results[max_tensors];
   for (int i = 0; i < call.inputs; ++i) {
      if (!matches(call.tensors[i], args[i], dims, bytes[i], contiguous_aligned))
         return nullptr;
      tensors[i] = reinterpret_cast<Array *>(args[i])->data;
      all += bytes[i];
   }
   if (!compute_sizes(call, dims))
      return nullptr;
   const std::intptr_t threads = options.threads > 1 ? useful_threads(call, options.threads, dims) : 1;
   if (threads > 1 && !run_in_parallel)
      return nullptr; // the slow path compiles the pool
   if (!make_results(call, options, dims, results, bytes + call.inputs))
      return nullptr;
   for (int i = 0; i < call.outputs; ++i) {
      tensors[call.inputs + i] = reinterpret_cast<Array *>(results[i])->data;
      all += bytes[call.inputs + i];
   }
   std::size_t sizes[max_dims];
   for (int i = 0; i < call.dims; ++i)
      sizes[i] = static_cast<std::size_t>(dims[i]);
   void *const thread = threads > 1 || all >= call.release ? python.save_thread() : nullptr;
   const int status = threads > 1 ? run_on(static_cast<std::size_t>(threads), call, sizes, bytes, tensors)
                                  : invoke(call.infer, call.session, sizes, tensors);
   if (thread)
      python.restore_thread(thread);
   if (status) {
      for (int i = 0; i < call.outputs; ++i)
         python.decref(results[i]);
      return nullptr; // the slow path compiles missing functions, or fails again and raises
   }
   return packed(call, results);
}

// Takes the inputs out of a list, or out of a dict by name, as new references, because other threads may change it
// during the call. Returns false, keeping none of them, if Python has to handle it.
inline bool unpack(const FastCall &call, Object *given, Object **inputs)
{
   const bool is_list = given->type == python.list_type, is_dict = given->type == python.dict_type;
   if ((!is_list && !is_dict) || (is_list ? python.list_size(given) : python.dict_size(given)) != call.inputs)
      return false;
   for (int i = 0; i < call.inputs; ++i)
      if (!(inputs[i] = is_list ? python.list_item(given, i) : python.dict_item(given, call.tensors[i].name)))
         return false;
   for (int i = 0; i < call.inputs; ++i)
      python.incref(inputs[i]);
   return true;
}

inline Object *infer(Object *self, Object *const *args, std::intptr_t count, Object *names)
{
   const FastCall &call = *static_cast<const FastCall *>(python.capsule_pointer(self, "sofie_jit.FastCall"));
   Options options{nullptr, call.threads};
   if (!names || read(options, args + count, names)) {
      Object *result = nullptr, *inputs[max_tensors];
      if (count == 1 && unpack(call, args[0], inputs)) {
         result = try_call(call, inputs, options);
         for (int i = 0; i < call.inputs; ++i)
            python.decref(inputs[i]);
      } else if (count == call.inputs)
         result = try_call(call, args, options);
      if (result)
         return result;
   }
   return python.vectorcall(call.slow, args, static_cast<std::size_t>(count), names);
}

inline void forget(Object *capsule)
{
   const FastCall *const call = static_cast<const FastCall *>(python.capsule_pointer(capsule, "sofie_jit.FastCall"));
   python.decref(call->slow);
   for (int i = 0; i < call->inputs + call->outputs; ++i)
      python.decref(call->tensors[i].name);
   delete call;
}

struct Method { // CPython's PyMethodDef
   const char *name;
   Object *(*function)(Object *, Object *const *, std::intptr_t, Object *);
   int flags;
   const char *doc;
};

inline Method method = {"infer", infer, 0x0080 | 0x0002, nullptr}; // METH_FASTCALL | METH_KEYWORDS

void start(const std::uint64_t *interface, const char *doc)
{
   void **slots = reinterpret_cast<void **>(&python);
   for (std::size_t i = 0; i < sizeof(Interface) / sizeof(void *); ++i)
      slots[i] = reinterpret_cast<void *>(interface[i]);
   method.doc = doc;
}

// Returns a new builtin function `infer`. `header`: infer, session, slow, batch, release, threads, tiled, min_rows,
// inputs, outputs, dims, terms, instructions, form, and the outputs in the order of `returned`. `tensors`: for each
// tensor name, descr, number, itemsize, rank and max_axes sizes. `work`: for each term the number of threads and
// max_dims powers. `sizes`: for each instruction the operation and the operand.
std::uint64_t new_call(const std::int64_t *header, const std::int64_t *tensors, const double *work,
                       const std::int64_t *sizes)
{
   FastCall *const call = new FastCall;
   call->infer = reinterpret_cast<Infer>(header[0]);
   call->session = reinterpret_cast<const void *>(header[1]);
   call->slow = reinterpret_cast<Object *>(header[2]);
   call->batch = header[3];
   call->release = header[4];
   call->threads = header[5];
   call->tiled = header[6] != 0;
   call->min_rows = static_cast<std::size_t>(header[7]);
   call->inputs = static_cast<int>(header[8]);
   call->outputs = static_cast<int>(header[9]);
   call->dims = static_cast<int>(header[10]);
   call->terms = static_cast<int>(header[11]);
   call->instructions = static_cast<int>(header[12]);
   call->form = reinterpret_cast<const void *>(header[13]);
   for (int i = 0; i < call->outputs; ++i)
      call->returned[i] = static_cast<int>(header[14 + i]);
   for (int i = 0; i < call->instructions; ++i, sizes += 2)
      call->sizes[i] = {static_cast<int>(sizes[0]), static_cast<std::intptr_t>(sizes[1])};
   for (int i = 0; i < call->terms; ++i, work += 1 + max_dims) {
      call->work[i].threads = work[0];
      for (int dim = 0; dim < max_dims; ++dim)
         call->work[i].power[dim] = static_cast<int>(work[1 + dim]);
   }
   for (int i = 0; i < call->inputs + call->outputs; ++i, tensors += 5 + max_axes) {
      Tensor &tensor = call->tensors[i];
      tensor.name = reinterpret_cast<Object *>(tensors[0]);
      tensor.descr = reinterpret_cast<Object *>(tensors[1]);
      tensor.number = static_cast<int>(tensors[2]);
      tensor.itemsize = tensors[3];
      tensor.rank = static_cast<int>(tensors[4]);
      for (int axis = 0; axis < max_axes; ++axis)
         tensor.size[axis] = tensors[5 + axis];
      python.incref(tensor.name);
   }
   python.incref(call->slow);
   Object *const capsule = python.new_capsule(call, "sofie_jit.FastCall", forget);
   Object *const function = python.new_function(&method, capsule, nullptr);
   python.decref(capsule);
   return reinterpret_cast<std::uint64_t>(function);
}

} // namespace sofie_jit_runtime
#endif
