/* The C interface of compiled libraries, which Model.save_library and `sofie-jit build` write.
 *
 * Link a program with the library, or load it with dlopen; several libraries in one program need dlopen, because all of
 * them define the same functions. The library contains the weights and needs the C and C++ run-time libraries only.
 *
 *    sofie_jit_model *model = sofie_jit_open();
 *    const int64_t sizes[] = {2};                          // two rows: the batch is the only open dimension
 *    const void *inputs[] = {two_rows};
 *    void *outputs[] = {probabilities};
 *    int status = sofie_jit_run(model, sizes, inputs, outputs, 1);
 *    if (status)
 *       fprintf(stderr, "%s\n", sofie_jit_message(status));
 *    sofie_jit_close(model);
 *
 * All functions may be called from several threads at a time.
 */
#ifndef SOFIE_JIT_H
#define SOFIE_JIT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A network that is ready to run. */
typedef struct sofie_jit_model sofie_jit_model;

typedef struct {
   const char *name;
   /* "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", or "bool",
    * of one byte */
   const char *dtype;
   int rank; /* number of axes */
} sofie_jit_tensor;

/* Sizes that are known only when the network runs, such as the batch. Their names are the same as in Python. */
int sofie_jit_size_count(void);
const char *sofie_jit_size_name(int index);

/* Sizes of outputs that depend on the data: operators such as NonZero set them while the network runs. Few networks have
 * any. sofie_jit_largest_sizes writes the largest value of each, given the sizes of the open dimensions. */
int sofie_jit_set_size_count(void);
const char *sofie_jit_set_size_name(int index);
void sofie_jit_largest_sizes(const int64_t *sizes, int64_t *largest);

/* Inputs and outputs. States of recurrent layers with stateful=True are the last inputs and the last outputs. */
int sofie_jit_input_count(void);
int sofie_jit_output_count(void);
const sofie_jit_tensor *sofie_jit_input(int index);
const sofie_jit_tensor *sofie_jit_output(int index);

/* Writes the sizes of the axes of an input or output, `rank` numbers, given the sizes of the open dimensions, which the
 * sizes that operators set follow: the largest ones before a call, those of a call after it. */
void sofie_jit_input_shape(int index, const int64_t *sizes, int64_t *shape);
void sofie_jit_output_shape(int index, const int64_t *sizes, int64_t *shape);

/* Prepares the weights. Returns a null pointer if memory runs out. */
sofie_jit_model *sofie_jit_open(void);
void sofie_jit_close(sofie_jit_model *model);

/* Computes the outputs.
 *
 * sizes: one size per open dimension. inputs, outputs: addresses of arrays with the shapes above, without gaps, the
 * last axis first in memory (C order). threads: the largest number of threads that share the call; the results are the
 * same for any number. If operators set sizes, outputs has one more element, the address of an array of int64_t, to which
 * the call writes these sizes; outputs have their elements at the beginning of arrays for the largest sizes.
 *
 * Returns 0, or a status that sofie_jit_message explains.
 */
int sofie_jit_run(const sofie_jit_model *model, const int64_t *sizes, const void *const *inputs, void *const *outputs,
                  int threads);
const char *sofie_jit_message(int status);

#ifdef __cplusplus
}
#endif
#endif
