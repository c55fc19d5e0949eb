// A header in the form of those that ROOT's SOFIE emits: y = x W + b.
#ifndef ROOT_TMVA_SOFIE_BY_HAND
#define ROOT_TMVA_SOFIE_BY_HAND

#include <algorithm>
#include <string>
#include <vector>

namespace TMVA_SOFIE_by_hand {
namespace BLAS {
extern "C" void sgemv_(const char *trans, const int *m, const int *n, const float *alpha, const float *A,
                       const int *lda, const float *X, const int *incx, const float *beta, const float *Y,
                       const int *incy);
extern "C" void sgemm_(const char *transa, const char *transb, const int *m, const int *n, const int *k,
                       const float *alpha, const float *A, const int *lda, const float *B, const int *ldb,
                       const float *beta, float *C, const int *ldc);
} // namespace BLAS

struct Session {
   float tensor_w[6] = {1, 2, 3, 4, 5, 6};
   float tensor_b[2] = {10, 20};
   std::vector<float> fTensor_y = std::vector<float>(2);
   float *tensor_y = fTensor_y.data();

   Session(std::string = "") {}

   std::vector<float> infer(float const *tensor_x)
   {
      const char op_0_transA = 'n', op_0_transB = 'n';
      const int op_0_m = 1, op_0_n = 2, op_0_k = 3;
      const float op_0_alpha = 1, op_0_beta = 1;
      std::copy(tensor_b, tensor_b + 2, tensor_y);
      BLAS::sgemm_(&op_0_transB, &op_0_transA, &op_0_n, &op_0_m, &op_0_k, &op_0_alpha, tensor_w, &op_0_n, tensor_x,
                   &op_0_k, &op_0_beta, tensor_y, &op_0_n);
      return fTensor_y;
   }
};
} // namespace TMVA_SOFIE_by_hand
#endif
