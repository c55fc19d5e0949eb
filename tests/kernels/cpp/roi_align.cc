#include "resize/reference.hxx"
#include "resize/roi_align.hxx"

#include "check.hxx"

using namespace sofie_jit;

template <class T>
void test(std::size_t height, std::size_t width, std::size_t samples, double tolerance)
{
   check::Random random(height * 101 + width + samples);
   const std::size_t out = 3, channels = 2;
   const auto x = random.vector<T>(2 * channels * height * width);
   const std::vector<T> rois{T(0.5), T(1), T(4), T(6.5), T(-3), T(-2.25), T(3), T(4), T(2), T(1), T(30), T(5)};
   const std::vector<std::int64_t> batch{1, 0, 1};
   const RoiAlignShape shape{2, channels, height, width, out, out, samples, true, false, 1};
   std::vector<double> want;
   for (std::size_t r = 0; r < 3; ++r)
      for (std::size_t c = 0; c < channels; ++c) {
         const T *from = x.data() + (std::size_t(batch[r]) * channels + c) * height * width;
         const double roi[4] = {double(rois[4 * r]), double(rois[4 * r + 1]), double(rois[4 * r + 2]),
                                double(rois[4 * r + 3])};
         const auto y = reference::roi_align(std::vector<double>(from, from + height * width), height, width, roi, out,
                                             samples);
         want.insert(want.end(), y.begin(), y.end());
      }
   std::vector<T> y(want.size() + 1, T(77));
   check::require(roi_align(3, shape, x.data(), rois.data(), batch.data(), y.data()), "roi_align failed");
   check::require(y.back() == T(77), "roi_align: wrote past the end");
   y.pop_back();
   check::close("roi_align", y, want, tolerance);
   RoiAlignShape adaptive = shape;
   adaptive.samples = 0;
   adaptive.max = true;
   check::require(roi_align(3, adaptive, x.data(), rois.data(), batch.data(), y.data()), "roi_align failed");
   check::digest(y);
   const std::int64_t missing = 2;
   check::require(!roi_align(1, shape, x.data(), rois.data(), &missing, y.data()), "roi_align: an image too many");
   for (T wrong : {T(NAN), T(INFINITY), T(1e30)}) {
      const T region[4] = {T(0), T(0), wrong, T(1)};
      check::require(!roi_align(1, adaptive, x.data(), region, batch.data(), y.data()),
                     "roi_align: a region too large");
   }
}

int main()
{
   for (std::size_t samples : {1, 3}) {
      test<float>(7, 5, samples, 1e-5);
      test<double>(1, 6, samples, 1e-12);
   }
   return check::done();
}
