#include "base/marks.hpp"

#include <gtest/gtest.h>

namespace racoon {
namespace {

TEST(Marks, AreWrittenAsInRacoonConf) {
    EXPECT_EQ((Mark{0x10, 0xff}.text()), "0x10/0xff");
    EXPECT_EQ((Mark{0xffffffff, 0xffffffff}.text()), "0xffffffff");
    EXPECT_EQ((Mark{0, 1}.text()), "0x0/0x1");
    EXPECT_EQ((Marks{7, {1, 3}, {4, 0xffffffff}}.text()), "if_id 7 mark 0x1/0x3 output_mark 0x4");
    EXPECT_EQ((Marks{0, {}, {4, 4}}.text()), "output_mark 0x4/0x4");
    EXPECT_EQ(Marks{}.text(), "");
    EXPECT_FALSE(Marks{}.any());
}

TEST(Marks, OfAnInboundSaAreTheInterfaceAlone) {
    const Marks all{7, {1, 3}, {4, 4}};
    EXPECT_EQ(all.of_sa(false), all);
    EXPECT_EQ(all.of_sa(true), (Marks{7, {}, {}}));
}

TEST(Marks, InheritWordByWord) {
    Marks own{0, {1, 3}, {}};
    own.inherit({7, {2, 3}, {4, 4}});
    EXPECT_EQ(own, (Marks{7, {1, 3}, {4, 4}}));
}

TEST(Marks, ComeBackFromTheirBytesUnlessNoPacketCouldHaveThem) {
    const Marks all{7, {1, 3}, {4, 4}};
    Writer out;
    put(out, all);
    const Bytes bytes = std::move(out).take();
    Reader in(bytes);
    const auto back = get_marks(in);
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, all);
    EXPECT_TRUE(in.empty());
    for (std::size_t n = 0; n < bytes.size(); ++n) {
        Reader cut(ByteView(bytes).first(n));
        EXPECT_FALSE(get_marks(cut));
    }
    Writer bad;
    put(bad, Marks{0, {4, 3}, {}});
    const Bytes wrong = std::move(bad).take();
    Reader no(wrong);
    EXPECT_FALSE(get_marks(no));
}

}  // namespace
}  // namespace racoon
