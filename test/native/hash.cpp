// sys/hash.hpp against published vectors.
#include "sys/hash.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace lightv;

TEST_CASE("hash: SHA-256 gives the digests of FIPS 180-4's examples") {
  CHECK(digestText(sha256("")) == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(digestText(sha256("abc")) == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const std::string million(1'000'000, 'a');
  CHECK(digestText(sha256(million)) == "sha256:cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("hash: SHA-256 does not care how its input is cut") {
  const std::string text =
      "The quick brown fox jumps over the lazy dog, again and again and again, until the block is full.";
  for (std::size_t cut = 0; cut <= text.size(); cut++) {
    Sha256 hash;
    hash.update(text.data(), cut).update(text.data() + cut, text.size() - cut);
    CHECK(hash.finish() == sha256(text));
  }
}

TEST_CASE("hash: CRC-32C gives the values of RFC 3720 B.4, by instruction and by table") {
  std::string rising, falling;
  for (int i = 0; i < 32; i++) {
    rising += static_cast<char>(i);
    falling += static_cast<char>(31 - i);
  }
  const std::pair<std::string, std::uint32_t> vectors[] = {{std::string(32, '\0'), 0x8A9136AA},
                                                           {std::string(32, '\xFF'), 0x62A8AB43},
                                                           {rising, 0x46DD794E},
                                                           {falling, 0x113FDB5C},
                                                           {"123456789", 0xE3069283},
                                                           {"", 0}};
  for (const auto& [data, expected] : vectors) {
    CHECK(crc32c(data) == expected);
    CHECK(crc32cPortable(data) == expected);
  }
}

TEST_CASE("hash: a digest's text is 64 lower-case digits behind sha256:, nothing else") {
  const std::string good = digestText(sha256("x"));
  CHECK(isDigestText(good));
  CHECK_FALSE(isDigestText(good + "0"));
  CHECK_FALSE(isDigestText(good.substr(0, 70)));
  CHECK_FALSE(isDigestText("sha512" + good.substr(6)));
  CHECK_FALSE(isDigestText("sha256:" + std::string(63, '0') + "A"));
  CHECK_FALSE(isDigestText("sha256:" + std::string(62, '0') + "/."));
}
