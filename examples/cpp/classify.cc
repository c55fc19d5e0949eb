// Prints the digit that an image shows: classify ../seven.txt
//
// The network is the demo of sofie_jit, trained with Keras on images of 8 x 8 pixels. The program needs neither Python
// nor any file except the image: code and weights are in digits.hxx.
#include "digits.hxx"

#include <algorithm>
#include <fstream>
#include <iostream>

int main(int argc, char **argv)
{
   if (argc != 2) {
      std::cerr << "usage: classify IMAGE, a file of 64 numbers from 0 (paper) to 1 (ink)\n";
      return 2;
   }
   std::ifstream file(argv[1]);
   std::vector<float> image(64);
   for (float &pixel : image)
      file >> pixel;
   if (!file) {
      std::cerr << argv[1] << ": does not contain 64 numbers\n";
      return 1;
   }

   const TMVA_SOFIE_digits::Session session; // several threads could share it
   const std::vector<float> probabilities = session.infer(image.data());

   const auto best = std::max_element(probabilities.begin(), probabilities.end());
   std::cout << "digit " << best - probabilities.begin() << ", probability " << *best << ", computed with "
             << session.fInstructionSet << '\n';
}
