/* Evaluates a compiled library on one image, whose pixels are read from standard input.
 *
 *    sofie-jit build "$(python -c 'from sofie_jit.demo import MODEL_FILE; print(MODEL_FILE)')" -o digits.so
 *    cc -I"$(sofie-jit --include-dir)" digits.c ./digits.so -Wl,-rpath,'$ORIGIN' -o digits
 *    ./digits < ../seven.txt
 *
 * It prints one probability per digit, 0 to 9; the largest is that of 7. The demo network takes 64 numbers from 0 (paper)
 * to 1 (ink), as in ../seven.txt. Another network takes the numbers of one of its rows.
 */
#include <sofie_jit.h>
#include <stdio.h>
#include <stdlib.h>

static int64_t elements(const sofie_jit_tensor *tensor, const int64_t *shape)
{
   int64_t count = 1;
   for (int axis = 0; axis < tensor->rank; ++axis)
      count *= shape[axis];
   return count;
}

int main(void)
{
   const int64_t sizes[] = {1}; /* the batch: one row */
   const sofie_jit_tensor *image = sofie_jit_input(0), *digit = sofie_jit_output(0);
   int64_t shape[8], pixel_count, probability_count;
   if (sofie_jit_size_count() != 1 || sofie_jit_input_count() != 1 || image->rank > 8 || digit->rank > 8) {
      fprintf(stderr, "a network with one input and no other open dimension than the batch is needed\n");
      return 1;
   }
   sofie_jit_input_shape(0, sizes, shape);
   pixel_count = elements(image, shape);
   sofie_jit_output_shape(0, sizes, shape);
   probability_count = elements(digit, shape);

   float *pixels = malloc((size_t)pixel_count * sizeof(float));
   float *probabilities = malloc((size_t)probability_count * sizeof(float));
   sofie_jit_model *model = sofie_jit_open();
   if (!pixels || !probabilities || !model) {
      fprintf(stderr, "there is too little memory\n");
      return 1;
   }
   for (int64_t i = 0; i < pixel_count; ++i)
      if (scanf("%f", &pixels[i]) != 1) {
         fprintf(stderr, "%ld numbers are needed for '%s'\n", (long)pixel_count, image->name);
         return 1;
      }

   const void *inputs[] = {pixels};
   void *outputs[] = {probabilities};
   const int status = sofie_jit_run(model, sizes, inputs, outputs, 1);
   if (status) {
      fprintf(stderr, "%s\n", sofie_jit_message(status));
      return 1;
   }
   for (int64_t i = 0; i < probability_count; ++i)
      printf("%.9g\n", probabilities[i]);
   sofie_jit_close(model);
   free(probabilities);
   free(pixels);
   return 0;
}
